-- The events whose bill is missing, and those that were never delivered: what is sent again. All
-- events of the bill's sessions, since the processors may have lost any of them. Last part of one
-- statement, in place of figures.sql.
resent AS (
    SELECT id
    FROM event
    WHERE undelivered
      AND created_at >= %(since)s::timestamptz AND created_at < %(until)s::timestamptz
    UNION
    SELECT event.id
    FROM (
        SELECT unnest(members) AS session_id FROM judged WHERE outcome = 'missing'
    ) AS member
    JOIN event ON event.session_id = member.session_id AND event.aggregate_type = 'session'
)
SELECT id FROM resent
