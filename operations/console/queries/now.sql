-- The last minute, and what is open now.
-- The id of an event has the millisecond of its insert in its first 48 bits (version 7), so that no
-- look at the events is needed. Of many bills the newest are enough for percentiles.
WITH lately AS (
    SELECT posted_at, source_event_id
    FROM mentor_payable_ledgers
    WHERE posted_at > now() - interval '1 minute' AND kind IN ('session', 'package')
      -- What an exception held back tells of its price, not of the way.
      AND NOT EXISTS (
          SELECT
          FROM billing_exceptions AS problem
          WHERE problem.source_event_id = mentor_payable_ledgers.source_event_id
      )
    ORDER BY posted_at DESC
    LIMIT 2000
),
latency AS (
    SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (
        ORDER BY extract(epoch FROM posted_at) - inserted_seconds(source_event_id)
    ) AS percentiles
    FROM lately
),
-- Each count reads its own part of an index.
exceptions AS (
    SELECT
        (SELECT count(*) FROM billing_exceptions WHERE status = 'retrying') AS retrying,
        (SELECT count(*) FROM billing_exceptions WHERE status = 'failed') AS failed,
        (
            SELECT count(*)
            FROM billing_exceptions
            WHERE status IN ('retrying', 'failed')
              AND first_failed_at < now() - interval '24 hours'
        ) AS overdue
)
SELECT
    (SELECT count(*) FROM domain_events WHERE created_at > now() - interval '10 seconds') / 10.0
        AS events_per_second,
    (
        SELECT count(*)
        FROM mentor_payable_ledgers
        WHERE posted_at > now() - interval '10 seconds'
    ) / 10.0 AS entries_per_second,
    latency.percentiles[1] AS p50_seconds,
    latency.percentiles[2] AS p95_seconds,
    latency.percentiles[3] AS p99_seconds,
    exceptions.retrying,
    exceptions.failed,
    exceptions.overdue,
    judged.waiting,
    judged.ended_at AS waiting_at
FROM latency
CROSS JOIN exceptions
LEFT JOIN LATERAL (
    SELECT (figures ->> 'waiting')::int AS waiting, ended_at
    FROM reconciliation_runs
    -- One of a window knows nothing of what waits since before it.
    WHERE since IS NULL AND until IS NULL
    ORDER BY ended_at DESC
    LIMIT 1
) AS judged ON true
