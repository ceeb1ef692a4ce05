-- What people did, newest first: ids are in the order of time.
-- Parameters: actor, action, subject: text or null (null: any); before: an id as text or null;
-- rows_max: int.
SELECT id, acted_at, actor, action, subject, reason, detail
FROM operator_actions
WHERE (%(actor)s::text IS NULL OR actor = %(actor)s::text)
  AND (%(action)s::text IS NULL OR action = %(action)s::text)
  AND (%(subject)s::text IS NULL OR subject = %(subject)s::text)
  AND (%(before)s::uuid IS NULL OR id < %(before)s::uuid)
ORDER BY id DESC
LIMIT %(rows_max)s
