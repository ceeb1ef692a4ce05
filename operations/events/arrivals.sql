-- A page of the events created at a time or later, oldest first. Second part of one statement: the
-- first says whose events, as `named_event`.
--
-- Parameters: after_created_at, after_id: where the page before ended; types: array or null (any);
-- aggregate: text or null (any); of_subject: whether only those of named_event; page: rows.
SELECT event.id, event.created_at
FROM domain_events AS event
-- Said twice: the first leaves out the other days, the second goes on within an instant.
WHERE event.created_at >= %(after_created_at)s::timestamptz
  AND (event.created_at, event.id) > (%(after_created_at)s::timestamptz, %(after_id)s::uuid)
  AND (%(types)s::text[] IS NULL OR event.event_type = ANY(%(types)s::text[]))
  AND (%(aggregate)s::text IS NULL OR event.aggregate_id = %(aggregate)s::text)
  AND (NOT %(of_subject)s::boolean OR event.id = ANY(ARRAY(SELECT id FROM named_event)))
ORDER BY event.created_at, event.id
LIMIT %(page)s
