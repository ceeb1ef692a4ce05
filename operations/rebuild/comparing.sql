-- What the processors on trial said, beside the ledger net of reversals, and the exceptions. A row
-- for each outcome of a bill or exception; those that differ with what they differ in.
WITH
owed AS MATERIALIZED (
    SELECT last.*, coalesce(session_id, service_package_id) COLLATE "C" AS subject
    FROM (
        SELECT DISTINCT ON (ledger_id) *
        FROM said_payables
        ORDER BY ledger_id, place DESC
    ) AS last
    -- Not what was taken back at last.
    WHERE session_ids IS NOT NULL
),
reversed AS (
    SELECT reverses AS id FROM mentor_payable_ledgers WHERE reverses IS NOT NULL
),
entry AS MATERIALIZED (
    SELECT
        written.*,
        CASE WHEN written.session_id IS NULL THEN 'package' ELSE 'session' END AS subject_kind,
        coalesce(written.session_id, written.service_package_id) COLLATE "C" AS subject,
        reversed.id IS NOT NULL AS is_reversed
    FROM mentor_payable_ledgers AS written
    LEFT JOIN reversed ON reversed.id = written.id
    WHERE written.kind <> 'reversal'
),
paid AS MATERIALIZED (
    SELECT entry_id, array_agg(session_id ORDER BY session_id COLLATE "C") AS session_ids
    FROM ledger_entry_sessions
    GROUP BY entry_id
),
-- How many entries of a session or package stand: more than one is wrong, whatever they say.
standing AS MATERIALIZED (
    SELECT subject_kind, subject, count(*) AS entries
    FROM entry
    WHERE NOT is_reversed
    GROUP BY subject_kind, subject
),
-- What a person has decided, or is asked: it explains what the events alone do not.
decided AS (
    SELECT DISTINCT 'session' AS kind, subject COLLATE "C" AS subject
    FROM operator_actions
    WHERE action = 'exceptions.bill_singly'
    UNION
    SELECT DISTINCT subject_kind, subject FROM entry WHERE is_reversed OR kind = 'correction'
),
problem AS MATERIALIZED (
    SELECT id, kind, subject COLLATE "C" AS subject, reason, status
    FROM billing_exceptions
),
blocked AS (
    SELECT DISTINCT kind, subject
    FROM problem
    WHERE reason IN ('price_missing', 'database_unavailable', 'timeout', 'unprocessable')
      AND status <> 'resolved'
),
-- Contradictory events came in an unlucky order: what was posted first stays.
contradicted AS (
    SELECT DISTINCT kind, subject FROM problem
    WHERE reason = 'ledger_conflict' AND status <> 'resolved'
),
compared AS (
    SELECT
        coalesce(owed.kind, entry.subject_kind) AS kind,
        coalesce(owed.subject, entry.subject) AS subject,
        coalesce(owed.ledger_id, entry.id) AS ledger_id,
        owed.ledger_id IS NOT NULL AS is_owed,
        entry.id IS NOT NULL AS is_posted,
        array_remove(ARRAY[
            CASE WHEN entry.kind <> owed.kind THEN 'kind' END,
            CASE WHEN entry.mentor_id <> owed.mentor_id THEN 'mentor_id' END,
            CASE WHEN entry.contract_id <> owed.contract_id THEN 'contract_id' END,
            CASE WHEN entry.student_id <> owed.student_id THEN 'student_id' END,
            CASE WHEN entry.subject <> owed.subject THEN 'subject' END,
            CASE WHEN entry.occurred_at <> owed.occurred_at THEN 'occurred_at' END,
            CASE WHEN paid.session_ids IS DISTINCT FROM owed.session_ids THEN 'session_ids' END
        ], NULL) AS different_facts,
        -- Stored with the price it was posted with: that must be one, and have been in force.
        array_remove(ARRAY[
            CASE WHEN price.mentor_id IS NULL OR price.effective_from > entry.occurred_at
                 THEN 'price_effective_from' END,
            CASE WHEN entry.amount_minor <> price.amount_minor THEN 'amount_minor' END,
            CASE WHEN entry.currency <> price.currency THEN 'currency' END
        ], NULL) AS different_price,
        EXISTS (
            SELECT FROM mentor_prices AS newer
            WHERE newer.mentor_id = entry.mentor_id
              AND newer.price_code = owed.price_code
              AND newer.effective_from > entry.price_effective_from
              AND newer.effective_from <= entry.occurred_at
        ) AS repriced,
        to_jsonb(owed) - ARRAY['place', 'subject'] AS rebuilt,
        to_jsonb(entry) - ARRAY['subject', 'subject_kind', 'is_reversed', 'reverses']
            || jsonb_build_object('session_ids', paid.session_ids) AS ledger
    FROM owed
    FULL JOIN (SELECT * FROM entry WHERE kind IN ('session', 'package')) AS entry
        ON entry.id = owed.ledger_id
    LEFT JOIN paid ON paid.entry_id = entry.id
    LEFT JOIN mentor_prices AS price
        ON price.mentor_id = entry.mentor_id
        AND price.price_code = owed.price_code
        AND price.effective_from = entry.price_effective_from
),
bill AS (
    SELECT
        compared.*,
        CASE
            WHEN standing.entries > 1 THEN 'twice'
            WHEN decided.subject IS NOT NULL THEN 'decided'
            WHEN NOT is_owed AND contradicted.subject IS NOT NULL THEN 'conflict'
            WHEN NOT is_owed THEN 'not_owed'
            WHEN NOT is_posted AND blocked.subject IS NOT NULL THEN 'blocked'
            WHEN NOT is_posted THEN 'missing'
            WHEN different_facts <> '{}' AND contradicted.subject IS NOT NULL THEN 'conflict'
            WHEN different_facts <> '{}' OR different_price <> '{}' THEN 'different'
            WHEN repriced THEN 'repriced'
            ELSE 'equal'
        END AS outcome
    FROM compared
    LEFT JOIN standing ON standing.subject_kind = compared.kind
        AND standing.subject = compared.subject
    LEFT JOIN decided ON decided.kind = compared.kind AND decided.subject = compared.subject
    LEFT JOIN blocked ON blocked.kind = compared.kind AND blocked.subject = compared.subject
    LEFT JOIN contradicted ON contradicted.kind = compared.kind
        AND contradicted.subject = compared.subject
),
reported AS MATERIALIZED (
    SELECT DISTINCT ON (exception_id) *
    FROM said_reports
    ORDER BY exception_id, basis DESC, place DESC
),
-- Of records that are no events, those in events.session are read by both; other topics' positions
-- are not the same. One that is gone from its topic cannot be reported again.
exception AS (
    SELECT
        coalesce(reported.reason, stored.reason) AS kind,
        coalesce(reported.subject, stored.subject) AS subject,
        coalesce(reported.exception_id, stored.id) AS ledger_id,
        CASE
            WHEN stored.id IS NULL THEN 'exception_missing'
            WHEN coalesce(reported.standing, false)
                AND stored.status = 'resolved' AND stored.resolution LIKE 'withdrawn: %'
                THEN 'exception_missing'
            WHEN NOT coalesce(reported.standing, false) AND stored.status IN ('retrying', 'failed')
                THEN 'exception_not_due'
            ELSE 'exception_equal'
        END AS outcome
    FROM (
        SELECT * FROM reported
        WHERE standing
          AND (reason IN ('session_conflict', 'package_conflict', 'package_exceeded')
               OR subject LIKE 'events.session[%')
    ) AS reported
    FULL JOIN (
        SELECT * FROM billing_exceptions
        WHERE reason IN ('session_conflict', 'package_conflict', 'package_exceeded')
           OR (subject LIKE 'events.session[%' AND id IN (SELECT exception_id FROM reported))
    ) AS stored ON stored.id = reported.exception_id
    WHERE reported.exception_id IS NOT NULL OR stored.status IN ('retrying', 'failed')
)
SELECT outcome, count(*) AS count, '[]'::jsonb AS details
FROM bill
WHERE outcome IN ('equal', 'repriced', 'decided', 'blocked', 'conflict')
GROUP BY outcome
UNION ALL
SELECT outcome, count(*), '[]'::jsonb
FROM exception
WHERE outcome = 'exception_equal'
GROUP BY outcome
UNION ALL
SELECT outcome, 1, jsonb_build_object(
    'outcome', outcome, 'kind', kind, 'subject', subject, 'id', ledger_id,
    'different', CASE WHEN is_owed AND is_posted
                      THEN to_jsonb(different_facts || different_price) ELSE '[]' END,
    'rebuilt', rebuilt, 'ledger', ledger
)
FROM bill
WHERE outcome IN ('twice', 'not_owed', 'missing', 'different')
UNION ALL
SELECT outcome, 1, jsonb_build_object(
    'outcome', outcome, 'kind', kind, 'subject', subject, 'id', ledger_id
)
FROM exception
WHERE outcome IN ('exception_missing', 'exception_not_due')
