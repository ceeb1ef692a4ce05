-- Dismisses the chosen exceptions that are open, with a row of operator_actions for each. Second part
-- of a statement: chosen.sql comes before.
-- Parameters: actor, reason: text; detail: jsonb, what else each row tells.
, dismissed AS (
    UPDATE billing_exceptions
    SET status = 'dismissed', resolution = %(reason)s
    WHERE id IN (SELECT id FROM chosen WHERE status IN ('retrying', 'failed'))
    RETURNING id, reason, subject
)
INSERT INTO operator_actions (actor, action, subject, reason, detail)
SELECT
    %(actor)s, 'exceptions.dismiss', subject, %(reason)s,
    jsonb_build_object('exception_id', id, 'exception_reason', reason) || %(detail)s
FROM dismissed
