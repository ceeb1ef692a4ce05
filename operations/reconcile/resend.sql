-- The events whose bill is missing, and those that were never delivered: what is sent again. All
-- events of the bill's sessions, since the processors may have lost any of them. Last part of one
-- statement, in place of figures.sql.
SELECT id
FROM event
WHERE undelivered
  AND created_at >= %(since)s::timestamptz AND created_at < %(until)s::timestamptz
UNION
SELECT event.id
FROM judged
CROSS JOIN LATERAL unnest(judged.members) AS member (session_id)
JOIN event ON event.session_id = member.session_id AND event.aggregate_type = 'session'
WHERE judged.outcome = 'missing'
