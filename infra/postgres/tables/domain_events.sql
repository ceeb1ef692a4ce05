-- What an application writes for us, in the transaction of its business change. One partition a day
-- (UTC), made by create_partitions, so that old days are dropped whole.
CREATE TABLE domain_events (
    id uuid NOT NULL DEFAULT domain_event_id(),
    aggregate_type text NOT NULL,
    aggregate_id text NOT NULL,
    event_type text NOT NULL,
    payload jsonb NOT NULL,
    traceparent text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (id, created_at),
    CONSTRAINT traceparent_length CHECK (length(traceparent) <= 255)
) PARTITION BY RANGE (created_at);

COMMENT ON TABLE domain_events IS 'Insert here what happened; everything else follows from it.';
COMMENT ON COLUMN domain_events.id IS
    'The identity of the event everywhere; belongs to the database.';
COMMENT ON COLUMN domain_events.aggregate_type IS
    'Routes the event to the topic events.<aggregate_type>.';
COMMENT ON COLUMN domain_events.aggregate_id IS
    'Key in Kafka: events of one aggregate keep their order.';
COMMENT ON COLUMN domain_events.traceparent IS 'W3C trace context, if the application has one.';
COMMENT ON COLUMN domain_events.created_at IS
    'Clock of the database at the insert; belongs to the database.';

CREATE INDEX domain_events_aggregate_index ON domain_events (aggregate_type, aggregate_id, id);

-- With the id beside it, the figures of the last hour are read from this index alone.
CREATE INDEX domain_events_created_index ON domain_events (created_at, id);

-- History is asked for by these three; events without the field cost nothing here.
CREATE INDEX domain_events_contract_index ON domain_events ((payload ->> 'contractId'))
    WHERE payload ->> 'contractId' IS NOT NULL;
CREATE INDEX domain_events_package_index ON domain_events ((payload ->> 'servicePackageId'))
    WHERE payload ->> 'servicePackageId' IS NOT NULL;
CREATE INDEX domain_events_mentor_index ON domain_events ((payload ->> 'mentorId'))
    WHERE payload ->> 'mentorId' IS NOT NULL;

CREATE TRIGGER check_event BEFORE INSERT ON domain_events
    FOR EACH ROW EXECUTE FUNCTION check_inserted_event();

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON domain_events
    FOR EACH ROW
    EXECUTE FUNCTION refuse_change('an event is never changed: old days are dropped whole');
CREATE TRIGGER refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON domain_events
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('an event is never changed: old days are dropped whole');

-- ALWAYS: a session may not switch them off with session_replication_role.
ALTER TABLE domain_events ENABLE ALWAYS TRIGGER check_event;
ALTER TABLE domain_events ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE domain_events ENABLE ALWAYS TRIGGER refuse_statement;
