-- The events of days that were dropped, each with its receipt: what history, reconciliation and
-- replay need of them, so that an old bill stays explained. Of a payload the fields that its schema
-- names, and no others. Only events that were delivered ever get here.
CREATE TABLE archived_events (
    id uuid PRIMARY KEY,
    aggregate_type text NOT NULL,
    aggregate_id text NOT NULL,
    event_type text NOT NULL,
    payload jsonb NOT NULL,
    traceparent text,
    created_at timestamptz NOT NULL,
    topic text NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    published_at timestamptz NOT NULL
);

COMMENT ON COLUMN archived_events.payload IS 'The fields that its schema names.';
COMMENT ON COLUMN archived_events.published_at IS 'When the event was first seen in Kafka.';

-- Smaller than those of domain_events: an id is rarely one of several types, and the archive stays.
CREATE INDEX archived_events_aggregate_index ON archived_events (aggregate_id);
CREATE INDEX archived_events_created_index ON archived_events (created_at);
CREATE INDEX archived_events_contract_index ON archived_events ((payload ->> 'contractId'))
    WHERE payload ->> 'contractId' IS NOT NULL;
CREATE INDEX archived_events_package_index ON archived_events ((payload ->> 'servicePackageId'))
    WHERE payload ->> 'servicePackageId' IS NOT NULL;
CREATE INDEX archived_events_mentor_index ON archived_events ((payload ->> 'mentorId'))
    WHERE payload ->> 'mentorId' IS NOT NULL;

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON archived_events
    FOR EACH ROW EXECUTE FUNCTION refuse_change('an archived event is never changed');
CREATE TRIGGER refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON archived_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('an archived event is never changed');

-- ALWAYS: a session may not switch them off with session_replication_role.
ALTER TABLE archived_events ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE archived_events ENABLE ALWAYS TRIGGER refuse_statement;
