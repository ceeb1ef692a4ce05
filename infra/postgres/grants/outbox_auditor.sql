-- Reads everything. The functions are those of the column `billing`: a view lends the rights of
-- its owner on tables, but not on functions.
GRANT USAGE ON SCHEMA public TO outbox_auditor;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO outbox_auditor;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO outbox_auditor;
GRANT EXECUTE ON FUNCTION
    domain_event_billing(uuid, text, text, jsonb), package_members(text),
    counting_session_event(text, text), exception_of_bill(uuid, text, text), session_is_billed(text),
    inserted_seconds(uuid)
    TO outbox_auditor;
