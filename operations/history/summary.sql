-- How many of the sessions were completed, how many bills there are, which sessions no bill pays,
-- and which events a stretch of the chain has, in order. Second part of one statement: subject.sql
-- says whose. Counts and names alone, so that it is quick for a mentor of many years, too; what
-- became of the events of the stretch, and what the first sessions wait for, is asked of history.sql.
-- Parameters: unbilled_max: how many sessions without a bill are named; after_at, after_id: the last
-- event that is not to be shown, or null; events_max: how many at most, or null.
, session AS MATERIALIZED (
    SELECT
        aggregate_id AS session_id,
        bool_or(event_type = 'services.session.completed') AS completed,
        min(created_at) AS first_at
    FROM named_event
    WHERE aggregate_type = 'session'
    GROUP BY aggregate_id
),
bill AS MATERIALIZED (
    SELECT session_id, entry_id
    FROM ledger_entry_sessions AS paid
    WHERE session_id = ANY(ARRAY(SELECT session_id FROM session))
      AND NOT EXISTS (SELECT FROM mentor_payable_ledgers WHERE reverses = paid.entry_id)
),
unbilled AS MATERIALIZED (
    SELECT session_id, first_at
    FROM session
    WHERE NOT EXISTS (SELECT FROM bill WHERE bill.session_id = session.session_id)
),
stretch AS MATERIALIZED (
    SELECT id, created_at
    FROM named_event
    WHERE %(after_at)s::timestamptz IS NULL
       OR (created_at, id) > (%(after_at)s::timestamptz, %(after_id)s::uuid)
    ORDER BY created_at, id
    LIMIT %(events_max)s::int
)
SELECT
    (SELECT count(*) FROM named_event) AS events,
    (SELECT count(*) FROM session WHERE completed) AS completed,
    (SELECT count(DISTINCT entry_id) FROM bill) AS bills,
    (SELECT count(*) FROM unbilled) AS unbilled,
    ARRAY(
        SELECT session_id FROM unbilled ORDER BY first_at, session_id LIMIT %(unbilled_max)s
    ) AS unbilled_sessions,
    ARRAY(SELECT id FROM stretch ORDER BY created_at, id) AS stretch_ids,
    ARRAY(SELECT created_at FROM stretch ORDER BY created_at, id) AS stretch_times
