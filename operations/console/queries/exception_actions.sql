-- What people did about an exception, newest first. Parameters: subject: text; exception: its id.
SELECT acted_at, actor, action, reason, detail
FROM operator_actions
WHERE subject = %(subject)s AND detail ->> 'exception_id' = %(exception)s::text
ORDER BY id DESC
LIMIT 50
