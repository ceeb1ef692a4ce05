-- The digest of each entry: over all its columns and the sessions that it pays, as JSON text that
-- depends on no setting of the session. It stands here and not in a function of the database, so
-- that whoever may change the database cannot change how it is checked. Begins a statement.
WITH digested AS (
    SELECT
        entry.id,
        entry.posted_at,
        sha256(convert_to(jsonb_build_array(
            entry.id, entry.kind, entry.mentor_id, entry.contract_id, entry.student_id,
            entry.session_id, entry.service_package_id, entry.amount_minor, entry.currency,
            extract(epoch FROM entry.price_effective_from), extract(epoch FROM entry.occurred_at),
            entry.source_event_id, entry.reverses, extract(epoch FROM entry.posted_at),
            (
                SELECT jsonb_agg(
                    jsonb_build_array(paid.session_id, paid.revision)
                    ORDER BY paid.session_id COLLATE "C", paid.revision
                )
                FROM ledger_entry_sessions AS paid
                WHERE paid.entry_id = entry.id
            )
        )::text, 'UTF8')) AS digest
    FROM mentor_payable_ledgers AS entry
)
