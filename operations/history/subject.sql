-- The events of one contract, session, package or mentor: `named_event`. First part of a statement.
--
-- Parameters: contract, session, package, mentor: text; one is given, the others are null.
WITH
-- The sessions in question: their evaluated and voided events name nothing but the session.
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
    SELECT id, created_at, event_type, aggregate_type, aggregate_id
    FROM recorded_events
    WHERE aggregate_type = 'session'
      AND aggregate_id = ANY(ARRAY(SELECT session_id FROM named_session))
    UNION
    -- All of a contract that was asked for; else what was consumed of it by these sessions.
    SELECT id, created_at, event_type, aggregate_type, aggregate_id
    FROM recorded_events
    WHERE aggregate_type = 'contract'
      AND aggregate_id = ANY(
          ARRAY(SELECT contract_id FROM named_session UNION SELECT %(contract)s::text)
      )
      AND (aggregate_id = %(contract)s::text
           -- IN, which is looked up in a hash; an array would be searched from its start.
           OR payload ->> 'sessionId' IN (SELECT session_id FROM named_session))
)
