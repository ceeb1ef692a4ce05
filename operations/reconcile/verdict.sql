-- The expectation beside the ledger. Sixth part of one statement.
--
-- Parameters: since, until: timestamptz or ±infinity, the time in which a bill fell due (the last event
-- that it needed was created), so that each bill lies in exactly one of adjoining windows, also a
-- package whose sessions straddle them.
compared AS MATERIALIZED (
    SELECT
        bill.*,
        explained.id AS entry_id,
        explained.kind AS entry_kind,
        explained.entries,
        explained.price_effective_from,
        explained.unexplained,
        array_remove(ARRAY[
            CASE WHEN explained.mentor_id <> bill.mentor_id THEN 'mentor_id' END,
            CASE WHEN explained.contract_id <> bill.contract_id THEN 'contract_id' END,
            CASE WHEN explained.student_id <> bill.student_id THEN 'student_id' END,
            CASE WHEN explained.occurred_at <> bill.occurred_at THEN 'occurred_at' END,
            CASE WHEN explained.members IS DISTINCT FROM bill.members THEN 'session_ids' END
        ], NULL) AS different_facts
    FROM bill
    LEFT JOIN explained
        ON explained.subject_kind = bill.kind AND explained.subject = bill.subject
        AND explained.place = 1
),
judged AS MATERIALIZED (
    SELECT
        compared.*,
        blocked.exception_id AS blocked_by,
        blocked.reason AS blocked_reason,
        blocked.last_error AS blocked_error,
        contradiction.exception_id AS contradicted_by,
        CASE
            WHEN compared.entries > 1 THEN 'duplicate'
            WHEN 'not_decided' = ANY(unexplained) THEN 'mismatched'
            -- The facts of a correction are what a person decided.
            WHEN compared.entry_id IS NOT NULL AND unexplained = '{}'
                AND (different_facts = '{}' OR entry_kind = 'correction') THEN 'billed'
            WHEN compared.entry_id IS NOT NULL AND different_facts <> '{}'
                AND NOT settled THEN 'in_flight'
            -- Contradictory events came in an unlucky order, and a person has been asked.
            WHEN compared.entry_id IS NOT NULL AND different_facts <> '{}'
                AND contradiction.urgency < 3 AND contested THEN 'conflict'
            WHEN compared.entry_id IS NOT NULL AND different_facts <> '{}'
                AND contradiction.urgency = 3 THEN 'decided'
            WHEN compared.entry_id IS NOT NULL THEN 'mismatched'
            WHEN reversed.decided OR blocked.status = 'dismissed' THEN 'decided'
            -- By a reversal that nobody decided, which is an offender of its own.
            WHEN reversed.subject IS NOT NULL THEN 'taken_back'
            WHEN blocked.status IS NOT NULL THEN blocked.status
            WHEN undelivered THEN 'awaiting_delivery'
            WHEN NOT settled THEN 'in_flight'
            ELSE 'missing'
        END AS outcome
    FROM compared
    LEFT JOIN reversed USING (kind, subject)
    LEFT JOIN blocked USING (kind, subject)
    LEFT JOIN contradiction USING (kind, subject)
    WHERE compared.due_at >= %(since)s::timestamptz AND compared.due_at < %(until)s::timestamptz
),
-- Entries that the events do not call for.
not_owed AS (
    SELECT
        explained.*,
        contradiction.exception_id AS contradicted_by,
        CASE
            WHEN 'not_decided' = ANY(explained.unexplained) THEN 'mismatched'
            WHEN NOT coalesce(session_progress.settled, package_progress.settled, true)
                OR %(lagging)s THEN 'in_flight'
            WHEN contradiction.urgency < 3 THEN 'conflict'
            -- A person let it stand, or posted it.
            WHEN contradiction.urgency = 3 OR (explained.decided AND explained.unexplained = '{}')
                THEN 'decided'
            ELSE 'mismatched'
        END AS outcome
    FROM explained
    LEFT JOIN bill ON bill.kind = explained.subject_kind AND bill.subject = explained.subject
    LEFT JOIN duplicate
        ON duplicate.kind = explained.subject_kind AND duplicate.subject = explained.subject
    LEFT JOIN session_progress ON session_progress.session_id = explained.session_id
    LEFT JOIN package_progress ON package_progress.package_id = explained.service_package_id
    LEFT JOIN contradiction
        ON contradiction.kind = explained.subject_kind AND contradiction.subject = explained.subject
    WHERE bill.subject IS NULL AND duplicate.subject IS NULL
      AND explained.posted_at >= %(since)s::timestamptz
      AND explained.posted_at < %(until)s::timestamptz
),
