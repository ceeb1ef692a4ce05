-- An application that completes a session takes it off the contract, too, in one transaction: where
-- only one of the two events is there, the application never wrote the other. Third part of one
-- statement.
--
-- Parameters: grace_seconds: how long one may come after the other.
consumption AS (
    SELECT
        contract_id,
        consumed_session_id AS session_id,
        min(session_type) AS session_type,
        min(created_at) AS created_at,
        (array_agg(id ORDER BY id))[1] AS event_id
    FROM event
    WHERE event_type = 'service.consumed'
    GROUP BY contract_id, consumed_session_id
),
-- Also one that a person voided: it was written.
completion AS (
    SELECT DISTINCT contract_id, session_id
    FROM event
    WHERE event_type = 'services.session.completed'
),
consumed_alone AS MATERIALIZED (
    SELECT consumption.*
    FROM consumption
    LEFT JOIN completion
        ON completion.contract_id = consumption.contract_id
        AND completion.session_id = consumption.session_id
    WHERE completion.session_id IS NULL
      AND consumption.created_at < now() - make_interval(secs => %(grace_seconds)s)
),
-- Contracts that the application writes about: of others only sessions are told.
told_contract AS (
    SELECT DISTINCT contract_id
    FROM event
    WHERE event_type IN ('contract.signed', 'service.consumed')
),
completed_alone AS MATERIALIZED (
    SELECT
        session.id AS event_id, session.session_id, session.contract_id, session.mentor_id,
        session.created_at
    FROM session
    JOIN told_contract ON told_contract.contract_id = session.contract_id
    LEFT JOIN consumption
        ON consumption.contract_id = session.contract_id
        AND consumption.session_id = session.session_id
    WHERE consumption.session_id IS NULL
      AND session.created_at < now() - make_interval(secs => %(grace_seconds)s)
),
-- A package that waits for no more sessions than its contract has consumed without a completion.
stuck_package AS MATERIALIZED (
    SELECT DISTINCT ON (terms.package_id)
        terms.package_id, terms.contract_id, terms.mentor_id, terms.package_total,
        terms.package_total - count(*) AS short_by,
        absent.session_ids AS absent_session_ids,
        absent.created_at
    FROM terms
    JOIN session
        USING (package_id, mentor_id, contract_id, student_id, package_code, package_total)
    JOIN (
        SELECT contract_id, session_type, count(*) AS sessions,
               array_agg(session_id ORDER BY session_id) AS session_ids,
               max(created_at) AS created_at
        FROM consumed_alone
        GROUP BY contract_id, session_type
    ) AS absent ON absent.contract_id = terms.contract_id
    LEFT JOIN package_bill ON package_bill.package_id = terms.package_id
    WHERE package_bill.package_id IS NULL
    GROUP BY
        terms.package_id, terms.contract_id, terms.mentor_id, terms.package_total,
        absent.session_type, absent.sessions, absent.session_ids, absent.created_at
    HAVING bool_or(session.session_type = absent.session_type)
       AND terms.package_total - count(*) BETWEEN 1 AND absent.sessions
    ORDER BY terms.package_id, absent.created_at
),
