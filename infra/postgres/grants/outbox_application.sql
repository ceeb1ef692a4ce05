-- Content columns only: on a partitioned table a chosen id could come twice, and created_at is the
-- database's clock. SELECT on the other two so that INSERT … RETURNING id, created_at works.
GRANT USAGE ON SCHEMA public TO outbox_application;
GRANT INSERT (aggregate_type, aggregate_id, event_type, payload, traceparent)
    ON domain_events TO outbox_application;
GRANT SELECT (id, created_at) ON domain_events TO outbox_application;
-- The default of id runs with the rights of whoever inserts.
GRANT EXECUTE ON FUNCTION domain_event_id() TO outbox_application;
