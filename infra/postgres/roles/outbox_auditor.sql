-- Reads everything and writes nothing: dashboards, finance, checkers.
ALTER ROLE outbox_auditor
    WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
