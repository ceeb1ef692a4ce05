-- Exceptions, oldest first. Overdue: open for more than a day.
-- Parameters: statuses, reasons, ids, events: arrays or null (null: any); subject: text or null;
-- overdue: only those.
SELECT
    id, reason, status, subject, kind, source_event_id, attempts, first_failed_at,
    next_attempt_at, last_error, updated_at, resolved_at, resolution,
    status IN ('retrying', 'failed') AND first_failed_at < clock_timestamp() - interval '24 hours'
        AS overdue,
    record
FROM billing_exceptions
WHERE (%(statuses)s::text[] IS NULL OR status = ANY(%(statuses)s::text[]))
  AND (%(reasons)s::text[] IS NULL OR reason = ANY(%(reasons)s::text[]))
  AND (%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s::uuid[]))
  AND (%(events)s::uuid[] IS NULL OR source_event_id = ANY(%(events)s::uuid[]))
  AND (%(subject)s::text IS NULL OR subject = %(subject)s::text)
  AND (NOT %(overdue)s
       OR (status IN ('retrying', 'failed')
           AND first_failed_at < clock_timestamp() - interval '24 hours'))
ORDER BY first_failed_at, id
