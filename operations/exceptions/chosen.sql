-- Exceptions that were chosen. First part of a statement.
-- Parameters: statuses, reasons, ids, events: arrays or null (null: any); subject: text or null;
-- overdue: only those open for more than a day.
-- With now(), not with the clock of the moment: a volatile function would have each row written out
-- before it is counted, and an index would not do.
WITH chosen AS (
    SELECT
        *,
        status IN ('retrying', 'failed')
            AND first_failed_at < now() - interval '24 hours' AS overdue
    FROM billing_exceptions
    WHERE (%(statuses)s::text[] IS NULL OR status = ANY(%(statuses)s::text[]))
      AND (%(reasons)s::text[] IS NULL OR reason = ANY(%(reasons)s::text[]))
      AND (%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s::uuid[]))
      AND (%(events)s::uuid[] IS NULL OR source_event_id = ANY(%(events)s::uuid[]))
      AND (%(subject)s::text IS NULL OR subject = %(subject)s::text)
      AND (NOT %(overdue)s
           OR (status IN ('retrying', 'failed')
               AND first_failed_at < now() - interval '24 hours'))
)
