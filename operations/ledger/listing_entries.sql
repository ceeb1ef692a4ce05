SELECT
    chosen.id, chosen.kind, chosen.posted_at, chosen.mentor_id, chosen.contract_id,
    chosen.student_id, chosen.session_id, chosen.service_package_id, chosen.amount_minor,
    chosen.currency, chosen.occurred_at, chosen.price_effective_from, chosen.source_event_id,
    chosen.reverses, reversal.id AS reversed_by,
    ARRAY(SELECT session_id FROM ledger_entry_sessions
          WHERE entry_id = chosen.id ORDER BY session_id) AS session_ids,
    action.actor AS decided_by, action.reason
FROM chosen
LEFT JOIN mentor_payable_ledgers AS reversal ON reversal.reverses = chosen.id
LEFT JOIN LATERAL (
    SELECT actor, reason
    FROM operator_actions
    WHERE subject = coalesce(chosen.session_id, chosen.service_package_id)
      AND detail ->> CASE chosen.kind
          WHEN 'reversal' THEN 'reversal_id'
          WHEN 'correction' THEN 'correction_id'
          ELSE 'billed_id'
      END = chosen.id::text
    ORDER BY acted_at
    LIMIT 1
) AS action ON true
ORDER BY chosen.posted_at, chosen.id
LIMIT %(entries_max)s::int
