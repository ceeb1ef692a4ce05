-- The expectation beside the ledger. Fifth part of one statement.
--
-- Parameters: since, until: timestamptz or ±infinity, the time in which a bill fell due (the last event
-- that it needed was created), so that each bill lies in exactly one of adjoining windows, also a
-- package whose sessions straddle them.
compared AS MATERIALIZED (
    SELECT
        bill.*,
        standing.id AS entry_id,
        standing.kind AS entry_kind,
        standing.entries,
        standing.price_effective_from,
        array_remove(ARRAY[
            CASE WHEN standing.mentor_id <> bill.mentor_id THEN 'mentor_id' END,
            CASE WHEN standing.contract_id <> bill.contract_id THEN 'contract_id' END,
            CASE WHEN standing.student_id <> bill.student_id THEN 'student_id' END,
            CASE WHEN standing.occurred_at <> bill.occurred_at THEN 'occurred_at' END,
            CASE WHEN standing.members IS DISTINCT FROM bill.members THEN 'session_ids' END
        ], NULL) AS different_facts,
        -- Stored with the price it was posted with: that must be one, and have been in force.
        array_remove(ARRAY[
            CASE WHEN price.mentor_id IS NULL OR price.effective_from > bill.occurred_at
                 THEN 'price_effective_from' END,
            CASE WHEN standing.amount_minor <> price.amount_minor THEN 'amount_minor' END,
            CASE WHEN standing.currency <> price.currency THEN 'currency' END
        ], NULL) AS different_price
    FROM bill
    LEFT JOIN standing
        ON standing.subject_kind = bill.kind AND standing.subject = bill.subject
        AND standing.place = 1
    LEFT JOIN mentor_prices AS price
        ON price.mentor_id = bill.mentor_id
        AND price.price_code = bill.price_code
        AND price.effective_from = standing.price_effective_from
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
            -- A correction says what a person decided.
            WHEN compared.entry_kind = 'correction' THEN 'billed'
            WHEN compared.entry_id IS NOT NULL AND different_price = '{}'
                AND different_facts = '{}' THEN 'billed'
            WHEN compared.entry_id IS NOT NULL AND different_facts <> '{}'
                AND NOT settled THEN 'in_flight'
            -- Contradictory events came in an unlucky order, and a person has been asked.
            WHEN compared.entry_id IS NOT NULL AND different_facts <> '{}'
                AND contradiction.ledger_urgency < 3 AND contested THEN 'conflict'
            WHEN compared.entry_id IS NOT NULL AND different_facts <> '{}'
                AND contradiction.ledger_urgency = 3 THEN 'decided'
            WHEN compared.entry_id IS NOT NULL THEN 'mismatched'
            WHEN reversed.subject IS NOT NULL OR blocked.status = 'dismissed' THEN 'decided'
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
        standing.*,
        CASE
            WHEN NOT coalesce(session_progress.settled, package_progress.settled, true)
                OR %(lagging)s THEN 'in_flight'
            WHEN contradiction.urgency < 3
                AND coalesce(session_progress.contested, package_progress.contested)
                THEN 'conflict'
            WHEN contradiction.urgency = 3 THEN 'decided'
            -- An excess session of a package, which a person let be billed by itself.
            WHEN billed_singly.session_id IS NOT NULL THEN 'decided'
            ELSE 'mismatched'
        END AS outcome
    FROM standing
    LEFT JOIN (
        SELECT DISTINCT subject COLLATE "C" AS session_id
        FROM operator_actions
        WHERE action = 'exceptions.bill_singly'
    ) AS billed_singly
        ON billed_singly.session_id = standing.session_id AND standing.kind = 'session'
    LEFT JOIN bill ON bill.kind = standing.subject_kind AND bill.subject = standing.subject
    LEFT JOIN duplicate
        ON duplicate.kind = standing.subject_kind AND duplicate.subject = standing.subject
    LEFT JOIN session_progress ON session_progress.session_id = standing.session_id
    LEFT JOIN package_progress ON package_progress.package_id = standing.service_package_id
    LEFT JOIN contradiction
        ON contradiction.kind = standing.subject_kind AND contradiction.subject = standing.subject
    WHERE bill.subject IS NULL AND duplicate.subject IS NULL AND standing.kind <> 'correction'
      AND standing.posted_at >= %(since)s::timestamptz AND standing.posted_at < %(until)s::timestamptz
),
