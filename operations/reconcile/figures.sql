-- What was found: for each outcome, reason and day how many, since when, and some of them. Last part
-- of one statement.
--
-- Parameters: details_max: details for each outcome and reason; …_days_max: how long a session or
-- package may wait, by what it waits for.
offender AS (
    SELECT
        outcome,
        CASE outcome
            WHEN 'missing' THEN 'not_in_ledger'
            WHEN 'failed' THEN blocked_reason
            ELSE array_to_string(different_facts || unexplained, ', ')
        END AS reason,
        subject,
        due_at AS placed_at,
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
        outcome,
        -- What a person posted needs no event.
        CASE WHEN outcome = 'mismatched' AND (decided OR kind = 'correction')
             THEN array_to_string(unexplained, ', ') ELSE 'not_owed' END,
        subject, posted_at,
        jsonb_build_object(
            'kind', subject_kind, 'subject', subject, 'mentor_id', mentor_id,
            'contract_id', contract_id, 'session_ids', members,
            'source_event_id', source_event_id, 'occurred_at', occurred_at, 'ledger_id', id,
            'exception_id', contradicted_by
        )
    FROM not_owed
    WHERE outcome IN ('conflict', 'mismatched')
    UNION ALL
    SELECT
        'mismatched', array_to_string(unexplained, ', '), subject, posted_at,
        jsonb_build_object(
            'kind', subject_kind, 'subject', subject, 'mentor_id', mentor_id,
            'contract_id', contract_id, 'ledger_id', id, 'reverses', reverses
        )
    FROM wrong_reversal
    UNION ALL
    SELECT
        'duplicate', 'paid_more_than_once', subject, posted_at,
        jsonb_build_object('kind', kind, 'subject', subject, 'ledger_ids', entry_ids)
    FROM duplicate
    WHERE posted_at >= %(since)s::timestamptz AND posted_at < %(until)s::timestamptz
    UNION ALL
    SELECT
        'undelivered', event_type, id::text, created_at,
        jsonb_build_object(
            'event_id', id, 'event_type', event_type, 'aggregate_id', session_id,
            'created_at', created_at
        )
    FROM event
    WHERE undelivered
      AND created_at >= %(since)s::timestamptz AND created_at < %(until)s::timestamptz
    UNION ALL
    SELECT
        'repriced', 'price_backdated', judged.subject, judged.due_at,
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
    GROUP BY
        judged.kind, judged.subject, judged.entry_id, judged.price_effective_from, judged.due_at
    UNION ALL
    SELECT
        'overdue', reason, subject, since,
        jsonb_build_object(
            'kind', kind, 'subject', subject, 'mentor_id', mentor_id, 'contract_id', contract_id,
            'waiting_since', since
        )
    FROM waiting
    WHERE since < now() - make_interval(secs => 86400 * CASE reason
            WHEN 'completion' THEN %(completion_days_max)s::double precision
            WHEN 'evaluation' THEN %(evaluation_days_max)s::double precision
            ELSE %(package_days_max)s::double precision
        END)
      AND since >= %(since)s::timestamptz AND since < %(until)s::timestamptz
    UNION ALL
    SELECT
        'consumed_without_completed', 'completion_never_written', session_id, created_at,
        jsonb_build_object(
            'kind', 'session', 'subject', session_id, 'contract_id', contract_id,
            'event_id', event_id, 'created_at', created_at
        )
    FROM consumed_alone
    WHERE created_at >= %(since)s::timestamptz AND created_at < %(until)s::timestamptz
    UNION ALL
    SELECT
        'completed_without_consumed', 'consumption_never_written', session_id, created_at,
        jsonb_build_object(
            'kind', 'session', 'subject', session_id, 'mentor_id', mentor_id,
            'contract_id', contract_id, 'event_id', event_id, 'created_at', created_at
        )
    FROM completed_alone
    WHERE created_at >= %(since)s::timestamptz AND created_at < %(until)s::timestamptz
    UNION ALL
    SELECT
        'package_stuck', 'session_never_completed', package_id, created_at,
        jsonb_build_object(
            'kind', 'package', 'subject', package_id, 'mentor_id', mentor_id,
            'contract_id', contract_id, 'short_by', short_by, 'sessions', package_total,
            'absent_session_ids', absent_session_ids
        )
    FROM stuck_package
    WHERE created_at >= %(since)s::timestamptz AND created_at < %(until)s::timestamptz
),
numbered AS (
    SELECT *, row_number() OVER (PARTITION BY outcome, reason ORDER BY subject) AS place
    FROM offender
),
-- Each figure by day (UTC): of a bill the day on which it fell due, of an entry without one that on
-- which it was posted, of a wait that on which it began, of an event that on which it was created.
figure (section, outcome, reason, placed_at, detail) AS (
    SELECT 'bill', outcome, '', due_at, NULL::jsonb FROM judged
    UNION ALL
    SELECT 'not_owed', outcome, '', posted_at, NULL FROM not_owed
    UNION ALL
    SELECT 'not_owed', 'mismatched', '', posted_at, NULL FROM wrong_reversal
    UNION ALL
    SELECT 'waiting', 'waiting', reason, since, NULL
    FROM waiting
    WHERE since >= %(since)s::timestamptz AND since < %(until)s::timestamptz
    UNION ALL
    SELECT 'events', 'read', '', created_at, NULL
    FROM event
    WHERE created_at >= %(since)s::timestamptz AND created_at < %(until)s::timestamptz
    UNION ALL
    SELECT 'offender', outcome, reason, placed_at,
           CASE WHEN place <= %(details_max)s THEN detail END
    FROM numbered
)
SELECT
    section, outcome, reason, min(placed_at) AS first_at, count(*) AS amount,
    coalesce(jsonb_agg(detail) FILTER (WHERE detail IS NOT NULL), '[]') AS details
FROM figure
GROUP BY section, outcome, reason, (placed_at AT TIME ZONE 'UTC')::date
ORDER BY section, outcome, reason, first_at
