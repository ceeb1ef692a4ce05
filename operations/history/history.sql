-- The whole chain of events of one contract, session, package or mentor, in order: what became of
-- each, the bill that pays its session, and what is missing. Answers "I did 10 sessions; why are
-- there 9 bills?". Second part of one statement: sessions.sql or known.sql says which events.
-- By arrays and bounds, not by a join: those reach the indexes, and pass over the other days.
, chain AS MATERIALIZED (
    SELECT event.*
    FROM domain_event_status AS event
    WHERE event.id = ANY(ARRAY(SELECT id FROM named_event))
      AND event.created_at >= (SELECT min(created_at) FROM named_event)
      AND event.created_at <= (SELECT max(created_at) FROM named_event)
)
SELECT
    chain.id,
    chain.event_type,
    chain.aggregate_type,
    chain.aggregate_id,
    chain.created_at,
    chain.published_at,
    chain.status,
    chain.billing,
    chain.retry_count,
    bill.id AS ledger_id,
    bill.kind AS bill_kind,
    bill.amount_minor,
    bill.currency,
    bill.posted_at,
    CASE chain.billing
        WHEN 'waiting_completion' THEN 'the completion of session ' || chain.aggregate_id
        WHEN 'waiting_evaluation' THEN 'the evaluation of session ' || chain.aggregate_id
        -- Asked for where it is needed only: a join would look for the completion of every event.
        WHEN 'waiting_package' THEN (
            SELECT
                'package ' || package.id || ': '
                || (SELECT count(*) FROM package_members(package.id)) || ' of ' || package.total
                || ' sessions are billable'
            FROM (
                SELECT
                    completed.payload ->> 'servicePackageId' AS id,
                    completed.payload ->> 'packageTotalSessions' AS total
                FROM counting_session_event(chain.aggregate_id, 'services.session.completed')
                    AS completed
            ) AS package
        )
        WHEN 'due' THEN 'the bill: it is due'
        WHEN 'retrying' THEN 'the bill: it is being retried'
        WHEN 'failed' THEN 'the bill: a person must look at the exception'
        WHEN 'dismissed' THEN 'the bill: a person dismissed it'
    END AS missing,
    chain.last_error,
    chain.payload
FROM chain
LEFT JOIN LATERAL (
    SELECT entry.id, entry.kind, entry.amount_minor, entry.currency, entry.posted_at
    FROM ledger_entry_sessions AS paid
    JOIN mentor_payable_ledgers AS entry ON entry.id = paid.entry_id
    WHERE chain.aggregate_type = 'session'
      AND paid.session_id = chain.aggregate_id
      AND NOT EXISTS (
          SELECT FROM mentor_payable_ledgers AS reversal WHERE reversal.reverses = entry.id
      )
    ORDER BY entry.posted_at DESC
    LIMIT 1
) AS bill ON true
ORDER BY chain.created_at, chain.id
