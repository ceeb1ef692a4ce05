SELECT
    listed.id, listed.kind, listed.posted_at, listed.mentor_id, listed.contract_id,
    listed.student_id, listed.session_id, listed.service_package_id, listed.amount_minor,
    listed.currency, listed.occurred_at, listed.price_effective_from, listed.source_event_id,
    listed.reverses, reversal.id AS reversed_by,
    ARRAY(SELECT session_id FROM ledger_entry_sessions
          WHERE entry_id = listed.id ORDER BY session_id) AS session_ids,
    action.actor AS decided_by, action.reason
FROM listed
LEFT JOIN mentor_payable_ledgers AS reversal ON reversal.reverses = listed.id
LEFT JOIN LATERAL (
    SELECT actor, reason
    FROM operator_actions
    WHERE subject = coalesce(listed.session_id, listed.service_package_id)
      AND detail ->> CASE listed.kind
          WHEN 'reversal' THEN 'reversal_id'
          WHEN 'correction' THEN 'correction_id'
          ELSE 'billed_id'
      END = listed.id::text
    ORDER BY acted_at
    LIMIT 1
) AS action ON true
