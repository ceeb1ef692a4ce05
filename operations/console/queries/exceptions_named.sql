-- The same, of one subject or one event: an index finds those, and they are few.
-- Parameters: as in exceptions.sql, and subject: text or null; event: uuid or null; at least one is given.
SELECT
    id, reason, status, subject, kind, source_event_id, attempts, first_failed_at,
    next_attempt_at, last_error, resolution,
    status IN ('retrying', 'failed') AND first_failed_at < now() - interval '24 hours' AS overdue
FROM billing_exceptions
WHERE (%(subject)s::text IS NULL OR subject = %(subject)s::text)
  AND (%(event)s::uuid IS NULL OR source_event_id = %(event)s::uuid)
  AND status = ANY(%(statuses)s)
  AND reason = ANY(%(reasons)s)
  AND (%(after_at)s::timestamptz IS NULL
       OR (first_failed_at, id) > (%(after_at)s::timestamptz, %(after_id)s::uuid))
  AND (NOT %(overdue)s
       OR (status IN ('retrying', 'failed')
           AND first_failed_at < now() - interval '24 hours'))
ORDER BY first_failed_at, id
LIMIT %(rows_max)s
