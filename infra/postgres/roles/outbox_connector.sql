-- Debezium: reads the log. A role with REPLICATION may read any publication and slot of the server,
-- so its password is worth as much as SELECT on every published table.
ALTER ROLE outbox_connector
    WITH LOGIN REPLICATION NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
