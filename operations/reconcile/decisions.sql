-- What explains an entry: the price list, or a person's decision. Reversals and corrections are
-- posted by decision alone, and so is the bill of an excess session by itself: without the decision,
-- nobody may have posted them. Fifth part of one statement.
--
-- By the entry that was posted for it. A bill that was taken back by nobody and is corrected since
-- names that reversal, too.
decision AS MATERIALIZED (
    SELECT DISTINCT ON (posted_id)
        posted_id,
        detail ->> 'entry_id' AS replaced_id,
        detail -> 'by_hand' ->> 'price_code' AS price_code,
        (detail -> 'by_hand' ->> 'amount_minor')::bigint AS amount_minor,
        detail -> 'by_hand' ->> 'currency' AS currency
    FROM (
        SELECT detail ->> 'reversal_id' AS posted_id, acted_at, detail
        FROM operator_actions
        WHERE action IN ('ledger.reverse', 'ledger.correct')
        UNION ALL
        SELECT detail ->> 'correction_id', acted_at, detail
        FROM operator_actions
        WHERE action = 'ledger.correct'
        UNION ALL
        SELECT detail ->> 'billed_id', acted_at, detail
        FROM operator_actions
        WHERE action = 'exceptions.bill_singly'
    ) AS act
    WHERE posted_id IS NOT NULL
    ORDER BY posted_id, acted_at DESC
),
-- Whoever decides what stands for a session or package settles what was posted before.
last_decision AS (
    SELECT detail ->> 'kind' AS kind, subject COLLATE "C" AS subject, max(acted_at) AS acted_at
    FROM operator_actions
    WHERE action IN ('ledger.reverse', 'ledger.correct')
    GROUP BY 1, 2
),
reversal AS MATERIALIZED (
    SELECT
        taking.*,
        array_remove(ARRAY[
            CASE WHEN decision.posted_id IS NULL
                  AND (last_decision.acted_at > taking.posted_at) IS NOT TRUE
                 THEN 'not_decided' END,
            CASE WHEN taking.mentor_id <> taken.mentor_id THEN 'mentor_id' END,
            CASE WHEN taking.amount_minor <> -taken.amount_minor THEN 'amount_minor' END,
            CASE WHEN taking.currency <> taken.currency THEN 'currency' END
        ], NULL) AS unexplained
    FROM (
        SELECT
            entry.*,
            CASE WHEN session_id IS NULL THEN 'package' ELSE 'session' END AS subject_kind,
            coalesce(session_id, service_package_id) COLLATE "C" AS subject
        FROM entry
        WHERE kind = 'reversal'
    ) AS taking
    LEFT JOIN entry AS taken ON taken.id = taking.reverses
    LEFT JOIN decision ON decision.posted_id = taking.id::text
    LEFT JOIN last_decision
        ON last_decision.kind = taking.subject_kind AND last_decision.subject = taking.subject
),
reversed AS (
    SELECT
        subject_kind AS kind, subject,
        bool_and(NOT 'not_decided' = ANY(unexplained)) AS decided
    FROM reversal
    GROUP BY subject_kind, subject
),
-- A reversal belongs to the time at which it was posted, whatever became of the bill.
wrong_reversal AS MATERIALIZED (
    SELECT *
    FROM reversal
    WHERE unexplained <> '{}'
      AND posted_at >= %(since)s::timestamptz AND posted_at < %(until)s::timestamptz
),
-- An entry says which price it was posted with: that must be one, and have been in force; unless a
-- person gave the amount by hand.
explained AS MATERIALIZED (
    SELECT
        standing.*,
        decision.posted_id IS NOT NULL AS decided,
        array_remove(ARRAY[
            CASE WHEN standing.kind = 'correction' AND decision.posted_id IS NULL
                 THEN 'not_decided' END,
            CASE WHEN decision.amount_minor IS NULL
                  AND (coalesce(price.effective_from, listed.effective_from)
                       <= standing.occurred_at) IS NOT TRUE
                 THEN 'price_effective_from' END,
            CASE WHEN standing.amount_minor <> coalesce(decision.amount_minor, price.amount_minor)
                 THEN 'amount_minor' END,
            CASE WHEN standing.currency <>
                      CASE WHEN decision.amount_minor IS NULL THEN price.currency
                           ELSE coalesce(decision.currency, replaced.currency) END
                 THEN 'currency' END
        ], NULL) AS unexplained
    FROM standing
    LEFT JOIN decision ON decision.posted_id = standing.id::text
    LEFT JOIN entry AS replaced ON replaced.id::text = decision.replaced_id
    -- A correction takes the facts of a conflict over, whatever the events say by now.
    LEFT JOIN (
        SELECT kind, subject COLLATE "C" AS subject, source_event_id,
               min(record -> 'payable' ->> 'price_code') AS price_code
        FROM billing_exceptions
        WHERE reason = 'ledger_conflict'
        GROUP BY 1, 2, 3
    ) AS conflict
        ON conflict.kind = standing.subject_kind AND conflict.subject = standing.subject
        AND conflict.source_event_id = standing.source_event_id AND standing.kind = 'correction'
    LEFT JOIN session ON session.session_id = standing.session_id
    LEFT JOIN terms ON terms.package_id = standing.service_package_id
    CROSS JOIN LATERAL (
        SELECT coalesce(
            decision.price_code, conflict.price_code, session.session_type, terms.package_code
        ) AS price_code
    ) AS said
    LEFT JOIN mentor_prices AS price
        ON price.mentor_id = standing.mentor_id
        AND price.price_code = said.price_code
        AND price.effective_from = standing.price_effective_from
    -- Where its events are voided, none says the price code any more: any price of the mentor's.
    LEFT JOIN (
        SELECT DISTINCT mentor_id, effective_from, amount_minor, currency FROM mentor_prices
    ) AS listed
        ON said.price_code IS NULL
        AND listed.mentor_id = standing.mentor_id
        AND listed.effective_from = standing.price_effective_from
        AND listed.amount_minor = standing.amount_minor
        AND listed.currency = standing.currency
),
