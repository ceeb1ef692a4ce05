-- The events of sessions, and events by their ids: `named_event`. First part of a statement, as
-- subject.sql is.
--
-- Parameters: sessions: text[]; events: uuid[].
WITH named_event AS MATERIALIZED (
    SELECT id, created_at
    FROM recorded_events
    WHERE aggregate_type = 'session' AND aggregate_id = ANY(%(sessions)s::text[])
    UNION
    SELECT id, created_at
    FROM recorded_events
    WHERE id = ANY(%(events)s::uuid[])
)
