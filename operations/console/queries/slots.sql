-- The replication slots of this database; bytes from the end of the log.
SELECT
    slot_name,
    active,
    wal_status,
    pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint AS lag_bytes,
    pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint AS kept_bytes
FROM pg_replication_slots
WHERE database = current_database() AND slot_type = 'logical'
ORDER BY slot_name
