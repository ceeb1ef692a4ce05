-- The chosen exceptions of some groups, oldest first. Second part of a statement: chosen.sql comes before.
-- Parameters: groups: as in retry_group.sql.
SELECT id, uuid_hash_extended(id, 0) AS seal
FROM chosen
WHERE concat_ws(' ', reason, status, contents) = ANY(%(groups)s::text[])
ORDER BY first_failed_at, id
