-- An application that records events. What it may do is in grants/outbox_application.sql.
ALTER ROLE outbox_application
    WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
