-- The chosen exceptions in groups that are alike in what can be done about them: it follows from the
-- reason, the status, and what the record holds. Second part of a statement: chosen.sql comes before.
SELECT
    reason,
    status,
    contents,
    count(*) AS exceptions,
    -- Tells these exceptions from as many others.
    bit_xor(uuid_hash_extended(id, 0)) AS seal
FROM chosen
GROUP BY reason, status, contents
ORDER BY reason, status, contents
