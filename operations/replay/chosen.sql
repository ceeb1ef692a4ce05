-- The events that are to be replayed, in order. With a subject they are those that `outbox history`
-- shows of it. Second part of one statement: history/subject.sql says whose events.
--
-- Parameters: those of the subject, one at most; events: ids, or null; since, until: timestamptz or
-- null. Of a replay that was broken off, else null: after_created_at, after_id: the last event that
-- has been sent; last: created_at of the last that is to be.
SELECT row_number() OVER (ORDER BY created_at, id) AS number, id, created_at
FROM (
    SELECT id, created_at FROM named_event
    UNION ALL
    SELECT id, created_at
    FROM recorded_events
    WHERE coalesce(%(contract)s, %(session)s, %(package)s, %(mentor)s::text) IS NULL
) AS named
WHERE (%(events)s::uuid[] IS NULL OR id = ANY(%(events)s::uuid[]))
  AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s::timestamptz)
  AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s::timestamptz)
  AND (%(last)s::timestamptz IS NULL OR created_at <= %(last)s::timestamptz)
  AND (%(after_created_at)s::timestamptz IS NULL
       OR (created_at, id) > (%(after_created_at)s::timestamptz, %(after_id)s::uuid))
