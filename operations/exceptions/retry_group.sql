-- Lets the ledger writer post a group of the chosen exceptions again now, with a row of
-- operator_actions for each. Second part of a statement: chosen.sql comes before.
-- Attempts stay as they are: a try that fails again goes on counting from there.
-- Parameters: groups: array of reason, status and contents, joined by a blank; actor: text;
-- detail: jsonb, what else each row tells.
-- Returns how many are retried, and the seal of their ids as in groups.sql.
, retried AS (
    UPDATE billing_exceptions
    SET status = 'retrying', next_attempt_at = clock_timestamp()
    WHERE id IN (SELECT id FROM chosen)
      -- Of the row itself: one that was settled a moment ago must not come to life again.
      AND concat_ws(' ', reason, status, contents) = ANY(%(groups)s::text[])
    RETURNING id, reason, subject
),
noted AS (
    INSERT INTO operator_actions (actor, action, subject, detail)
    SELECT
        %(actor)s, 'exceptions.retry', subject,
        jsonb_build_object('exception_id', id, 'exception_reason', reason) || %(detail)s
    FROM retried
)
SELECT count(*), coalesce(bit_xor(uuid_hash_extended(id, 0)), 0) FROM retried
