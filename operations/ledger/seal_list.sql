-- Takes into the next seal what was posted since the last one. Goes on after digest.sql.
INSERT INTO sealed_ledger_entries (entry_id, seal, digest)
SELECT digested.id, last.number + 1, digested.digest
FROM digested
CROSS JOIN (
    SELECT coalesce(max(number), 0) AS number,
           coalesce(max(posted_until), '-infinity') AS posted_until
    FROM ledger_seals
) AS last
WHERE digested.posted_at > last.posted_until
  AND NOT EXISTS (SELECT FROM sealed_ledger_entries WHERE entry_id = digested.id)
