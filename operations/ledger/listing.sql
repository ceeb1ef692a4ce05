-- Entries of the ledger, and what became of each. First part of one statement.
-- Parameters: mentor, contract, session, package: text or null (null: any); a session's entries are
-- also those of the package that pays it; since, until: timestamptz or null, when it was posted.
WITH chosen AS (
    SELECT entry.*
    FROM mentor_payable_ledgers AS entry
    WHERE (%(mentor)s::text IS NULL OR entry.mentor_id = %(mentor)s::text)
      AND (%(contract)s::text IS NULL OR entry.contract_id = %(contract)s::text)
      AND (%(package)s::text IS NULL OR entry.service_package_id = %(package)s::text)
      -- As an array: found by the index of the ids, where IN would read the whole ledger.
      AND (%(session)s::text IS NULL OR entry.id = ANY(ARRAY(
               SELECT id FROM mentor_payable_ledgers WHERE session_id = %(session)s::text
               UNION
               SELECT entry_id FROM ledger_entry_sessions WHERE session_id = %(session)s::text
               UNION
               SELECT reversal.id
               FROM ledger_entry_sessions AS paid
               JOIN mentor_payable_ledgers AS reversal ON reversal.reverses = paid.entry_id
               WHERE paid.session_id = %(session)s::text
           )))
      AND (%(since)s::timestamptz IS NULL OR entry.posted_at >= %(since)s::timestamptz)
      AND (%(until)s::timestamptz IS NULL OR entry.posted_at < %(until)s::timestamptz)
)
