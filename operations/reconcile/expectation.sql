-- The rules of INTERFACE.md, "What is billed", stated a second time. They share nothing with the
-- code that bills, so that a mistake there cannot hide here. Second part of one statement, after
-- what it reads.
--
-- Parameters: partitions, offsets, ends: where events.session ended at asked_at, and how far the
-- processors have committed it; lagging: a later stage has not caught up, so that what is not there
-- is not missing yet; undelivered: ids of events that have been committed for too long without a
-- receipt.
progress AS (
    SELECT *
    FROM unnest(%(partitions)s::int[], %(offsets)s::bigint[], %(ends)s::bigint[])
        AS at (partition, committed, ending)
),
event AS MATERIALIZED (
    SELECT
        written.id,
        written.created_at,
        written.aggregate_type,
        written.aggregate_id COLLATE "C" AS session_id,
        written.event_type,
        written.published_at IS NULL AND written.id = ANY(%(undelivered)s::uuid[])
            AS undelivered,
        -- The processors have passed it, and what they said of it has arrived. A receipt from
        -- before that lies beyond the end is of a topic that was made anew since: whatever of it is
        -- in the new one has been passed with the end.
        NOT %(lagging)s AND coalesce(
            written."offset" < progress.committed
            OR (written.published_at < %(asked_at)s::timestamptz
                AND written."offset" >= progress.ending
                AND progress.committed >= progress.ending),
            false
        ) AS judged,
        written.payload ->> 'contractId' AS contract_id,
        written.payload ->> 'mentorId' AS mentor_id,
        written.payload ->> 'studentId' AS student_id,
        written.payload ->> 'sessionType' AS session_type,
        (written.payload ->> 'requiredEvaluation')::boolean AS required_evaluation,
        -- The cast is 25 times as quick, but knows no offset beyond 15:59.
        CASE
            WHEN happened.at IS NULL THEN NULL
            WHEN right(happened.at, 1) IN ('Z', 'z') OR substr(right(happened.at, 6), 2, 2) < '15'
                THEN happened.at::timestamptz
            ELSE rfc3339_instant(happened.at)
        END AS happened_at,
        (written.payload ->> 'servicePackageId') COLLATE "C" AS package_id,
        written.payload ->> 'packageCode' AS package_code,
        (written.payload ->> 'packageTotalSessions')::numeric AS package_total,
        CASE written.event_type
            WHEN 'services.session.voided' THEN lower(written.payload ->> 'eventId')::uuid
        END AS voided_id,
        CASE written.event_type
            WHEN 'service.consumed' THEN (written.payload ->> 'sessionId') COLLATE "C"
        END AS consumed_session_id
    FROM recorded AS written
    CROSS JOIN LATERAL (
        SELECT CASE written.event_type
            WHEN 'services.session.completed' THEN written.payload ->> 'completedAt'
            WHEN 'services.session.evaluated' THEN written.payload ->> 'evaluatedAt'
        END AS at
    ) AS happened
    LEFT JOIN progress
        ON progress.partition = written.partition
        AND written.topic = 'events.session'
        AND written.aggregate_type = 'session'
),
-- A session is settled once every event of it can be judged: until then it is in flight. It is
-- contested where several events of a kind may contradict each other.
session_progress AS MATERIALIZED (
    SELECT
        session_id,
        bool_and(judged) AS settled,
        bool_or(undelivered) AS undelivered,
        count(*) FILTER (WHERE event_type = 'services.session.completed') > 1
            OR count(*) FILTER (WHERE event_type = 'services.session.evaluated') > 1 AS contested
    FROM event
    WHERE aggregate_type = 'session'
    GROUP BY session_id
),
-- A package is contested, too, where it is named by more sessions than its total, or on other terms.
package_progress AS (
    SELECT
        named.package_id,
        bool_and(session_progress.settled) AS settled,
        bool_or(session_progress.undelivered) AS undelivered,
        bool_or(session_progress.contested)
            OR count(*) > min(named.package_total)
            OR min(named.lowest_terms) <> max(named.highest_terms) AS contested
    FROM (
        SELECT
            package_id,
            session_id,
            min(package_total) AS package_total,
            min(terms) AS lowest_terms,
            max(terms) AS highest_terms
        FROM (
            SELECT
                package_id, session_id, package_total,
                concat_ws(
                    E'\x01', mentor_id, contract_id, student_id, package_code, package_total
                ) COLLATE "C" AS terms
            FROM event
            WHERE event_type = 'services.session.completed' AND package_id IS NOT NULL
        ) AS naming
        GROUP BY package_id, session_id
    ) AS named
    JOIN session_progress USING (session_id)
    GROUP BY named.package_id
),
-- Of several completed or evaluated events of a session, the one with the smallest id counts.
counting AS (
    SELECT DISTINCT ON (event.session_id, event.event_type) event.*
    FROM event
    LEFT JOIN (
        SELECT session_id, voided_id FROM event WHERE voided_id IS NOT NULL
    ) AS decision
        ON decision.session_id = event.session_id AND decision.voided_id = event.id
    WHERE event.event_type IN ('services.session.completed', 'services.session.evaluated')
      AND decision.voided_id IS NULL
    ORDER BY event.session_id, event.event_type, event.id
),
-- A session with requiredEvaluation is not billable before it is evaluated.
session AS MATERIALIZED (
    SELECT
        completed.*,
        NOT completed.required_evaluation OR evaluated.id IS NOT NULL AS billable,
        CASE WHEN completed.required_evaluation THEN evaluated.id ELSE completed.id END
            AS source_event_id,
        CASE WHEN completed.required_evaluation THEN evaluated.happened_at
             ELSE completed.happened_at END AS occurred_at,
        -- When it fell due: it needs the completion as well as the evaluation.
        CASE WHEN completed.required_evaluation
             THEN greatest(completed.created_at, evaluated.created_at)
             ELSE completed.created_at END AS due_at
    FROM counting AS completed
    LEFT JOIN counting AS evaluated
        ON evaluated.session_id = completed.session_id
        AND evaluated.event_type = 'services.session.evaluated'
    WHERE completed.event_type = 'services.session.completed'
),
-- A package's terms are those of its completed event with the smallest id.
terms AS MATERIALIZED (
    SELECT DISTINCT ON (package_id)
        package_id, mentor_id, contract_id, student_id, package_code, package_total, created_at
    FROM session
    WHERE package_id IS NOT NULL
    ORDER BY package_id, id
),
candidate AS (
    SELECT
        session.*,
        row_number() OVER (PARTITION BY session.package_id ORDER BY session.id) AS place,
        count(*) OVER (PARTITION BY session.package_id) AS candidates
    FROM session
    JOIN terms USING (package_id, mentor_id, contract_id, student_id, package_code, package_total)
    WHERE session.billable
),
package_bill AS MATERIALIZED (
    SELECT
        package_id,
        mentor_id,
        contract_id,
        student_id,
        package_code,
        max(occurred_at) AS occurred_at,
        (array_agg(source_event_id ORDER BY occurred_at DESC, session_id DESC))[1]
            AS source_event_id,
        array_agg(session_id ORDER BY session_id) AS members,
        array_agg(id) || array_agg(source_event_id) AS events,
        max(due_at) AS due_at
    FROM candidate
    WHERE place <= package_total AND candidates >= package_total
    GROUP BY package_id, mentor_id, contract_id, student_id, package_code
),
bill AS MATERIALIZED (
    SELECT
        'session' AS kind, session_id AS subject, mentor_id, contract_id, student_id,
        session_type AS price_code, occurred_at, source_event_id, ARRAY[session_id] AS members,
        ARRAY[id, source_event_id] AS events, due_at,
        session_progress.settled, session_progress.undelivered, session_progress.contested
    FROM session
    JOIN session_progress USING (session_id)
    WHERE package_id IS NULL AND billable
    UNION ALL
    SELECT
        'package', package_id, mentor_id, contract_id, student_id,
        package_code, occurred_at, source_event_id, members,
        events, due_at, settled, undelivered, contested
    FROM package_bill
    JOIN package_progress USING (package_id)
),
-- Sessions and packages that rightly have no bill yet.
waiting AS MATERIALIZED (
    SELECT
        'evaluation' AS reason, 'session' AS kind, session_id AS subject, contract_id, mentor_id,
        created_at AS since
    FROM session
    WHERE NOT billable
    UNION ALL
    SELECT
        'completion', 'session', evaluated.session_id, NULL, NULL, evaluated.created_at
    FROM counting AS evaluated
    LEFT JOIN session ON session.session_id = evaluated.session_id
    WHERE evaluated.event_type = 'services.session.evaluated' AND session.session_id IS NULL
    UNION ALL
    SELECT
        'package', 'package', package_id, terms.contract_id, terms.mentor_id, terms.created_at
    FROM terms
    LEFT JOIN package_bill USING (package_id)
    WHERE package_bill.package_id IS NULL
),
