-- The bills posted in each minute of the last hour, and how long after their event.
-- Counted by the index; the percentiles are those of the first 500 of a minute.
SELECT
    minute,
    (
        SELECT count(*)
        FROM mentor_payable_ledgers
        WHERE posted_at >= minute AND posted_at < minute + interval '1 minute'
    ) AS entries,
    latency.percentiles[1] AS p50_seconds,
    latency.percentiles[2] AS p95_seconds,
    latency.percentiles[3] AS p99_seconds
FROM generate_series(
    date_trunc('minute', now()) - interval '59 minutes', date_trunc('minute', now()),
    interval '1 minute'
) AS minute
CROSS JOIN LATERAL (
    SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (
        ORDER BY extract(epoch FROM posted_at) - inserted_seconds(source_event_id)
    ) AS percentiles
    FROM (
        SELECT posted_at, source_event_id
        FROM mentor_payable_ledgers
        WHERE posted_at >= minute AND posted_at < minute + interval '1 minute'
          AND kind IN ('session', 'package')
          -- What an exception held back tells of its price, not of the way.
          AND NOT EXISTS (
              SELECT
              FROM billing_exceptions AS problem
              WHERE problem.source_event_id = mentor_payable_ledgers.source_event_id
          )
        ORDER BY posted_at
        LIMIT 500
    ) AS entry
) AS latency
ORDER BY minute
