-- The database's clock, and then the transactions that may yet commit an event: whoever inserts holds
-- this lock, on the table that was named and on the day's, until its commit can be seen.
SELECT
    statement_timestamp() AS looked_at,
    ARRAY(
        SELECT DISTINCT held.virtualtransaction
        FROM pg_locks AS held
        WHERE held.locktype = 'relation'
          AND held.mode = 'RowExclusiveLock'
          AND held.granted
          AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND held.relation IN (
              SELECT 'domain_events'::regclass
              UNION ALL
              SELECT inhrelid FROM pg_inherits WHERE inhparent = 'domain_events'::regclass
          )
    ) AS writers
