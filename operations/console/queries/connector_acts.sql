-- What people did to connectors, newest first. Parameters: subjects: text[], names of connectors and
-- of their slots; rows_max: int.
SELECT id, acted_at, actor, action, subject, detail
FROM operator_actions
WHERE subject = ANY(%(subjects)s::text[]) AND action LIKE 'connectors.%%'
ORDER BY id DESC
LIMIT %(rows_max)s
