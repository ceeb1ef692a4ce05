-- Owns the database and everything in it; migrations and operations run as this role.
ALTER ROLE outbox_owner WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
