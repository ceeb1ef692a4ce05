-- The outbox of the report, beside the ledger of this pipeline, in a database of its own. It is also
-- the state of the rules for publishers that have no stream processor.
CREATE TABLE outbox_events (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    aggregate_id text NOT NULL,
    event_type text NOT NULL,
    payload jsonb NOT NULL,
    status text NOT NULL DEFAULT 'pending',
    retry_count int NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    published_at timestamptz,
    -- For the benchmark: what marks an event is another transaction, which takes over its xmin.
    inserted_by xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX outbox_events_pending ON outbox_events (created_at) WHERE status = 'pending';
CREATE TABLE facts (key bytea PRIMARY KEY, value bytea NOT NULL);
