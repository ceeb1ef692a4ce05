-- What the ledger holds, net of reversals, and what a person was asked.
-- Fourth part of one statement.
paid AS (
    SELECT
        entry_id,
        array_agg(session_id COLLATE "C" ORDER BY session_id COLLATE "C") AS members
    FROM entry_session
    GROUP BY entry_id
),
-- Entries that no reversal takes back.
standing AS MATERIALIZED (
    SELECT
        entry.*,
        CASE WHEN entry.session_id IS NULL THEN 'package' ELSE 'session' END AS subject_kind,
        coalesce(entry.session_id, entry.service_package_id) COLLATE "C" AS subject,
        paid.members,
        count(*) OVER same_subject AS entries,
        row_number() OVER (same_subject ORDER BY entry.posted_at, entry.id) AS place
    FROM entry
    LEFT JOIN entry AS reversal ON reversal.reverses = entry.id
    LEFT JOIN paid ON paid.entry_id = entry.id
    WHERE entry.kind <> 'reversal' AND reversal.id IS NULL
    WINDOW same_subject AS (PARTITION BY entry.session_id, entry.service_package_id)
),
duplicate AS MATERIALIZED (
    SELECT subject_kind AS kind, subject, max(posted_at) AS posted_at, array_agg(id ORDER BY id) AS entry_ids
    FROM standing
    WHERE entries > 1
    GROUP BY subject_kind, subject
    UNION ALL
    -- A session that is paid by itself and in a package, or in two packages.
    SELECT
        'session', paid_session.session_id COLLATE "C", max(standing.posted_at),
        array_agg(standing.id ORDER BY standing.id)
    FROM entry_session AS paid_session
    JOIN standing ON standing.id = paid_session.entry_id
    GROUP BY paid_session.session_id
    HAVING count(*) > 1
       AND min(standing.subject_kind || standing.subject)
        <> max(standing.subject_kind || standing.subject)
),
problem AS MATERIALIZED (
    SELECT
        id, reason, status, kind, subject COLLATE "C" AS subject, source_event_id, last_error,
        array_position(ARRAY['failed', 'retrying', 'dismissed'], status) AS urgency
    FROM billing_exceptions
    WHERE status <> 'resolved'
),
-- What keeps a bill from the ledger. What a person dismissed stays so for that event only.
blocked AS (
    SELECT DISTINCT ON (kind, subject) *
    FROM (
        SELECT bill.kind, bill.subject, problem.id AS exception_id, problem.reason,
               problem.status, problem.last_error, problem.urgency
        FROM bill
        JOIN problem ON problem.kind = bill.kind AND problem.subject = bill.subject
        WHERE problem.reason NOT IN ('session_conflict', 'package_conflict', 'package_exceeded')
          AND (problem.status <> 'dismissed' OR problem.source_event_id = bill.source_event_id)
        UNION ALL
        SELECT bill.kind, bill.subject, problem.id, problem.reason,
               problem.status, problem.last_error, problem.urgency
        FROM bill
        CROSS JOIN LATERAL unnest(bill.events) AS part (event_id)
        JOIN problem ON problem.source_event_id = part.event_id AND problem.kind IS NULL
    ) AS reasons
    ORDER BY kind, subject, urgency
),
-- What stands and the events contradict, of which a person was asked; the most urgent first.
contradiction AS (
    SELECT
        kind, subject, min(urgency) AS urgency,
        (array_agg(id ORDER BY urgency))[1] AS exception_id
    FROM problem
    WHERE reason = 'ledger_conflict'
    GROUP BY kind, subject
),
