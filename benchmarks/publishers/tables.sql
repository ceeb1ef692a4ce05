-- What the publishers of the report need: the business row, their outbox, and a ledger that takes
-- what it is given. A database of its own; nothing of the pipeline is in it.
CREATE TABLE sessions (
    session_id text PRIMARY KEY,
    completed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE outbox_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id text NOT NULL,
    status text NOT NULL DEFAULT 'pending',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    published_at timestamptz
);
CREATE INDEX outbox_events_pending ON outbox_events (created_at) WHERE status = 'pending';
CREATE TABLE prices (price_code text PRIMARY KEY, amount_minor bigint NOT NULL);
INSERT INTO prices VALUES ('mentoring', 10000);
CREATE TABLE bills (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id text NOT NULL,
    amount_minor bigint NOT NULL,
    posted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX bills_session ON bills (session_id);
