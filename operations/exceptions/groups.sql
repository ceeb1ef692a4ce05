-- The chosen exceptions in groups that are alike in what can be done about them: it follows from the
-- reason, the status, and what the record holds. Second part of a statement: chosen.sql comes before.
SELECT
    reason,
    status,
    contents,
    count(*) AS exceptions
FROM chosen
GROUP BY reason, status, contents
ORDER BY reason, status, contents
