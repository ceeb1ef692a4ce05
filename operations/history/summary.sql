-- How many of the sessions were completed, how many bills there are, and which sessions no bill pays.
-- Second part of one statement: subject.sql says whose. Counts alone, so that it is quick for a
-- mentor of many years, too; what the first ones wait for is asked of history.sql.
-- Parameters: unbilled_max: how many sessions without a bill are named.
, session AS MATERIALIZED (
    SELECT
        aggregate_id AS session_id,
        bool_or(event_type = 'services.session.completed') AS completed,
        min(created_at) AS first_at
    FROM recorded_events
    WHERE aggregate_type = 'session'
      AND id = ANY(ARRAY(SELECT id FROM named_event))
      AND created_at >= (SELECT min(created_at) FROM named_event)
      AND created_at <= (SELECT max(created_at) FROM named_event)
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
)
SELECT
    (SELECT count(*) FROM named_event) AS events,
    (SELECT count(*) FROM session WHERE completed) AS completed,
    (SELECT count(DISTINCT entry_id) FROM bill) AS bills,
    (SELECT count(*) FROM unbilled) AS unbilled,
    ARRAY(
        SELECT session_id FROM unbilled ORDER BY first_at, session_id LIMIT %(unbilled_max)s
    ) AS unbilled_sessions
