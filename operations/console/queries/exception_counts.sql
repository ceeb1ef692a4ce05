-- How many exceptions there are, by status and reason, from one index alone.
SELECT
    status, reason, count(*) AS exceptions,
    count(*) FILTER (
        WHERE status IN ('retrying', 'failed')
          AND first_failed_at < now() - interval '24 hours'
    ) AS overdue
FROM billing_exceptions
GROUP BY status, reason
ORDER BY status, reason
