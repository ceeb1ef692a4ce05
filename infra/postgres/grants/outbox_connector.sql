-- Reads what it publishes, and nothing else.
GRANT USAGE ON SCHEMA public TO outbox_connector;
GRANT SELECT ON domain_events TO outbox_connector;
