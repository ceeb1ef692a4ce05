-- Dismisses the chosen exceptions that are open, with a row of operator_actions for each. Second part
-- of a statement: chosen.sql comes before.
-- Parameters: actor, reason: text; detail: jsonb, what else each row tells.
-- Returns how many were dismissed, and the seal of their ids as in groups.sql.
, dismissed AS (
    UPDATE billing_exceptions
    SET status = 'dismissed', resolution = %(reason)s
    WHERE id IN (SELECT id FROM chosen)
      -- Of the row itself: one that was settled a moment ago is not what was chosen.
      AND status IN ('retrying', 'failed')
    RETURNING id, reason, subject
),
noted AS (
    INSERT INTO operator_actions (actor, action, subject, reason, detail)
    SELECT
        %(actor)s, 'exceptions.dismiss', subject, %(reason)s,
        jsonb_build_object('exception_id', id, 'exception_reason', reason) || %(detail)s
    FROM dismissed
)
SELECT count(*), coalesce(bit_xor(uuid_hash_extended(id, 0)), 0) FROM dismissed
