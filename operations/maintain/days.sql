-- The days that are older than the retention, with their partitions; oldest first.
--
-- Parameter: retention_days.
WITH partition AS (
    SELECT
        parent.relname AS parent,
        child.relname AS name,
        to_date(right(child.relname, 8), 'YYYYMMDD') AS day
    FROM pg_inherits
    JOIN pg_class AS parent ON parent.oid = inhparent
    JOIN pg_class AS child ON child.oid = inhrelid
    WHERE inhparent IN (
        'public.domain_events'::regclass, 'public.domain_event_deliveries'::regclass
    )
    AND child.relname ~ '_[0-9]{8}$'
)
SELECT
    day,
    max(name) FILTER (WHERE parent = 'domain_events') AS events,
    max(name) FILTER (WHERE parent = 'domain_event_deliveries') AS receipts
FROM partition
WHERE day < (clock_timestamp() AT TIME ZONE 'UTC')::date - %(retention_days)s::int
GROUP BY day
ORDER BY day
