-- The one process that posts to the ledger. What it may do is in grants/outbox_ledger_writer.sql.
ALTER ROLE outbox_ledger_writer
    WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
