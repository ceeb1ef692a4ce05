-- The chosen exceptions, oldest first. Second part of a statement: chosen.sql comes before.
SELECT
    id, reason, status, subject, kind, source_event_id, attempts, first_failed_at,
    next_attempt_at, last_error, updated_at, resolved_at, resolution, overdue, record
FROM chosen
ORDER BY first_failed_at, id
