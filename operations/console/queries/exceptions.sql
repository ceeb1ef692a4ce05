-- A page of exceptions, oldest first. Each pair of status and reason is a stretch of one index, in
-- order: of each the first rows are read, however many there are.
-- Parameters: statuses, reasons: text[], all of them where any will do; overdue: only those open for
-- more than a day; after_at, after_id: the last one that is not to be shown, or null; rows_max: int.
SELECT exception.*
FROM unnest(%(statuses)s::text[]) AS wanted_status
CROSS JOIN unnest(%(reasons)s::text[]) AS wanted_reason
CROSS JOIN LATERAL (
    SELECT
        id, reason, status, subject, kind, source_event_id, attempts, first_failed_at,
        next_attempt_at, last_error, resolution,
        status IN ('retrying', 'failed')
            AND first_failed_at < now() - interval '24 hours' AS overdue
    FROM billing_exceptions
    WHERE status = wanted_status
      AND reason = wanted_reason
      AND (%(after_at)s::timestamptz IS NULL
           OR (first_failed_at, id) > (%(after_at)s::timestamptz, %(after_id)s::uuid))
      AND (NOT %(overdue)s
           OR (status IN ('retrying', 'failed')
               AND first_failed_at < now() - interval '24 hours'))
    ORDER BY first_failed_at, id
    LIMIT %(rows_max)s
) AS exception
ORDER BY exception.first_failed_at, exception.id
LIMIT %(rows_max)s
