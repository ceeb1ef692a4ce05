-- The expectation beside the ledger. A row for each outcome and reason: how many, and the first of
-- them. Third part of one statement.
--
-- Parameters: since, until: timestamptz or null, the time in which a bill fell due (the last event
-- that it needed was created), so that each bill lies in exactly one of adjoining windows, also a
-- package whose sessions straddle them; details_max: details for each outcome and reason.
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
    WHERE (%(since)s::timestamptz IS NULL OR compared.due_at >= %(since)s::timestamptz)
      AND (%(until)s::timestamptz IS NULL OR compared.due_at < %(until)s::timestamptz)
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
            ELSE 'mismatched'
        END AS outcome
    FROM standing
    LEFT JOIN bill ON bill.kind = standing.subject_kind AND bill.subject = standing.subject
    LEFT JOIN duplicate
        ON duplicate.kind = standing.subject_kind AND duplicate.subject = standing.subject
    LEFT JOIN session_progress ON session_progress.session_id = standing.session_id
    LEFT JOIN package_progress ON package_progress.package_id = standing.service_package_id
    LEFT JOIN contradiction
        ON contradiction.kind = standing.subject_kind AND contradiction.subject = standing.subject
    WHERE bill.subject IS NULL AND duplicate.subject IS NULL AND standing.kind <> 'correction'
      AND (%(since)s::timestamptz IS NULL OR standing.posted_at >= %(since)s::timestamptz)
      AND (%(until)s::timestamptz IS NULL OR standing.posted_at < %(until)s::timestamptz)
),
offender AS (
    SELECT
        outcome,
        CASE outcome
            WHEN 'missing' THEN 'not_in_ledger'
            WHEN 'failed' THEN blocked_reason
            ELSE array_to_string(different_facts || different_price, ', ')
        END AS reason,
        subject,
        jsonb_build_object(
            'kind', kind, 'subject', subject, 'mentor_id', mentor_id, 'contract_id', contract_id,
            'session_ids', members, 'source_event_id', source_event_id,
            'occurred_at', occurred_at, 'ledger_id', entry_id,
            'exception_id', coalesce(blocked_by, contradicted_by), 'error', blocked_error
        ) AS detail
    FROM judged
    WHERE outcome IN ('missing', 'failed', 'mismatched', 'conflict')
    UNION ALL
    SELECT
        outcome, 'not_owed', subject,
        jsonb_build_object(
            'kind', subject_kind, 'subject', subject, 'mentor_id', mentor_id,
            'contract_id', contract_id, 'session_ids', members,
            'source_event_id', source_event_id, 'occurred_at', occurred_at, 'ledger_id', id
        )
    FROM not_owed
    WHERE outcome IN ('conflict', 'mismatched')
    UNION ALL
    SELECT
        'duplicate', 'paid_more_than_once', subject,
        jsonb_build_object('kind', kind, 'subject', subject, 'ledger_ids', entry_ids)
    FROM duplicate
    WHERE (%(since)s::timestamptz IS NULL OR posted_at >= %(since)s::timestamptz)
      AND (%(until)s::timestamptz IS NULL OR posted_at < %(until)s::timestamptz)
    UNION ALL
    SELECT
        'undelivered', event_type, id::text,
        jsonb_build_object(
            'event_id', id, 'event_type', event_type, 'aggregate_id', session_id,
            'created_at', created_at
        )
    FROM event
    WHERE undelivered
      AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s::timestamptz)
      AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s::timestamptz)
    UNION ALL
    SELECT
        'repriced', 'price_backdated', judged.subject,
        jsonb_build_object(
            'kind', judged.kind, 'subject', judged.subject, 'ledger_id', judged.entry_id,
            'billed_with', judged.price_effective_from,
            'now_in_force', max(later.effective_from)
        )
    FROM judged
    JOIN mentor_prices AS later
        ON later.mentor_id = judged.mentor_id AND later.price_code = judged.price_code
        AND later.effective_from <= judged.occurred_at
        AND later.effective_from > judged.price_effective_from
    WHERE judged.entry_kind IN ('session', 'package')
    GROUP BY judged.kind, judged.subject, judged.entry_id, judged.price_effective_from
),
numbered AS (
    SELECT *, row_number() OVER (PARTITION BY outcome, reason ORDER BY subject) AS place
    FROM offender
)
SELECT 'offender' AS section, outcome, reason, count(*) AS amount,
       coalesce(jsonb_agg(detail ORDER BY place) FILTER (WHERE place <= %(details_max)s), '[]')
           AS details
FROM numbered
GROUP BY outcome, reason
UNION ALL
SELECT 'bill', outcome, '', count(*), '[]' FROM judged GROUP BY outcome
UNION ALL
SELECT 'not_owed', outcome, '', count(*), '[]' FROM not_owed GROUP BY outcome
UNION ALL
SELECT 'waiting', 'waiting', reason, count(*), '[]'
FROM waiting
WHERE (%(since)s::timestamptz IS NULL OR since >= %(since)s::timestamptz)
  AND (%(until)s::timestamptz IS NULL OR since < %(until)s::timestamptz)
GROUP BY reason
UNION ALL
SELECT 'events', 'read', '', count(*), '[]'
FROM event
WHERE (%(since)s::timestamptz IS NULL OR created_at >= %(since)s::timestamptz)
  AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s::timestamptz)
ORDER BY section, outcome, reason
