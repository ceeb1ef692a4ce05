-- Entries of the ledger, oldest first, and what became of each.
-- Parameters: mentor, contract, session, package: text or null (null: any); a session's entries are
-- also those of the package that pays it; since, until: timestamptz or null, when it was posted;
-- entries_max: int or null.
WITH chosen AS (
    SELECT entry.*
    FROM mentor_payable_ledgers AS entry
    WHERE (%(mentor)s::text IS NULL OR entry.mentor_id = %(mentor)s::text)
      AND (%(contract)s::text IS NULL OR entry.contract_id = %(contract)s::text)
      AND (%(package)s::text IS NULL OR entry.service_package_id = %(package)s::text)
      AND (%(session)s::text IS NULL
           OR entry.session_id = %(session)s::text
           OR entry.id IN (
               SELECT entry_id FROM ledger_entry_sessions WHERE session_id = %(session)s::text
           )
           OR entry.reverses IN (
               SELECT entry_id FROM ledger_entry_sessions WHERE session_id = %(session)s::text
           ))
      AND (%(since)s::timestamptz IS NULL OR entry.posted_at >= %(since)s::timestamptz)
      AND (%(until)s::timestamptz IS NULL OR entry.posted_at < %(until)s::timestamptz)
)
