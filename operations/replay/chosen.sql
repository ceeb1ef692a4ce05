-- The events that are to be replayed, in order. With a subject they are those that `outbox history`
-- shows of it: all events of its sessions, and what was consumed of their contracts by them.
-- A table of this session's own: the selection stays what it was while events come and days go.
--
-- Parameters: contract, session, package, mentor: text; one is given at most. events: ids, or null.
-- since, until: timestamptz or null. Of a replay that was broken off, else null: after_created_at,
-- after_id: the last event that has been sent; last: created_at of the last that is to be.
DROP TABLE IF EXISTS pg_temp.chosen;
CREATE TEMP TABLE chosen AS
WITH
named_session AS MATERIALIZED (
    SELECT DISTINCT aggregate_id AS session_id, payload ->> 'contractId' AS contract_id
    FROM recorded_events
    WHERE aggregate_type = 'session'
      AND (payload ->> 'contractId' = %(contract)s::text
           OR payload ->> 'servicePackageId' = %(package)s::text
           OR payload ->> 'mentorId' = %(mentor)s::text
           OR aggregate_id = %(session)s::text)
),
named_event AS MATERIALIZED (
    SELECT id, created_at
    FROM recorded_events
    WHERE aggregate_type = 'session'
      AND aggregate_id = ANY(ARRAY(SELECT session_id FROM named_session))
    UNION
    SELECT id, created_at
    FROM recorded_events
    WHERE aggregate_type = 'contract'
      AND aggregate_id = ANY(
          ARRAY(SELECT contract_id FROM named_session UNION SELECT %(contract)s::text)
      )
      AND (aggregate_id = %(contract)s::text
           OR payload ->> 'sessionId' = ANY(ARRAY(SELECT session_id FROM named_session)))
)
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
       OR (created_at, id) > (%(after_created_at)s::timestamptz, %(after_id)s::uuid));
CREATE UNIQUE INDEX ON chosen (number);
