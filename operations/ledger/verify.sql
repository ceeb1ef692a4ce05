-- What does not fit the seals, one row a finding. Goes on after digest.sql.
, seal AS MATERIALIZED (
    SELECT
        sealed.number,
        sealed.posted_until,
        sealed.hash = sha256(convert_to(jsonb_build_array(
            sealed.number, extract(epoch FROM sealed.sealed_at),
            extract(epoch FROM sealed.posted_until), sealed.entries,
            encode(sealed.entries_hash, 'hex'), encode(sealed.previous_hash, 'hex')
        )::text, 'UTF8')) AS fits_itself,
        sealed.previous_hash = lag(sealed.hash, 1, ''::bytea) OVER (ORDER BY sealed.number)
            AS fits_the_one_before,
        lag(sealed.number, 1, 0::bigint) OVER (ORDER BY sealed.number) + 1 AS first_missing,
        sealed.entries = coalesce(list.entries, 0)
            AND sealed.entries_hash = coalesce(list.entries_hash, sha256(''::bytea))
            AS fits_its_list
    FROM ledger_seals AS sealed
    LEFT JOIN (
        SELECT
            seal AS number, count(*) AS entries,
            sha256(string_agg(digest, ''::bytea ORDER BY entry_id)) AS entries_hash
        FROM sealed_ledger_entries
        GROUP BY seal
    ) AS list USING (number)
),
finding AS (
    SELECT 'seal_altered' AS finding, number AS seal, NULL::uuid AS entry_id FROM seal
    WHERE NOT fits_itself
    UNION ALL
    SELECT 'seal_removed', missing, NULL
    FROM seal
    CROSS JOIN LATERAL generate_series(first_missing, number - 1) AS missing
    UNION ALL
    -- The last ones: their lists tell that they were there.
    SELECT DISTINCT 'seal_removed', seal, NULL::uuid
    FROM sealed_ledger_entries
    WHERE seal > (SELECT coalesce(max(number), 0) FROM seal)
    UNION ALL
    SELECT 'chain_broken', number, NULL FROM seal
    WHERE NOT fits_the_one_before AND first_missing = number
    UNION ALL
    SELECT 'list_altered', number, NULL FROM seal WHERE NOT fits_its_list
    UNION ALL
    SELECT
        CASE WHEN digested.id IS NULL THEN 'entry_removed' ELSE 'entry_altered' END,
        listed.seal, listed.entry_id
    FROM sealed_ledger_entries AS listed
    LEFT JOIN digested ON digested.id = listed.entry_id
    WHERE digested.digest IS DISTINCT FROM listed.digest
    UNION ALL
    SELECT
        'entry_slipped_in',
        (SELECT min(number) FROM seal WHERE seal.posted_until >= digested.posted_at),
        digested.id
    FROM digested
    WHERE digested.posted_at <= (SELECT max(posted_until) FROM seal)
      AND NOT EXISTS (SELECT FROM sealed_ledger_entries WHERE entry_id = digested.id)
    UNION ALL
    SELECT DISTINCT 'sessions_without_entry', NULL::bigint, paid.entry_id
    FROM ledger_entry_sessions AS paid
    WHERE NOT EXISTS (SELECT FROM mentor_payable_ledgers WHERE id = paid.entry_id)
)
SELECT
    finding.finding, finding.seal, finding.entry_id, entry.kind, entry.mentor_id,
    coalesce(entry.session_id, entry.service_package_id) AS subject, entry.amount_minor,
    entry.currency, entry.posted_at
FROM finding
LEFT JOIN mentor_payable_ledgers AS entry ON entry.id = finding.entry_id
ORDER BY finding.seal, finding.finding, finding.entry_id
