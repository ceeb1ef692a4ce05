-- What people decided and did to the running system, and why. A row is written in the transaction
-- of the act itself, so that neither is there without the other, and is never changed.
CREATE TABLE operator_actions (
    id uuid PRIMARY KEY DEFAULT domain_event_id(),
    acted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL CHECK (actor ~ '\S'),
    action text NOT NULL CHECK (action ~ '\S'),
    subject text NOT NULL,
    reason text CHECK (reason ~ '\S'),
    detail jsonb NOT NULL DEFAULT '{}'
);

COMMENT ON COLUMN operator_actions.actor IS
    'Who acted, as the operating system or --by says; the database role does not tell people apart.';
COMMENT ON COLUMN operator_actions.action IS 'The verb, as ledger.correct or exceptions.dismiss.';
COMMENT ON COLUMN operator_actions.subject IS
    'What it was done to: a session or package, an exception, an event, a connector or its slot.';
COMMENT ON COLUMN operator_actions.reason IS 'Why, where the verb asks for it.';
COMMENT ON COLUMN operator_actions.detail IS 'What exactly was done: ids and values by name.';

CREATE INDEX operator_actions_subject_index ON operator_actions (subject, action);
CREATE INDEX operator_actions_time_index ON operator_actions (acted_at);

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON operator_actions
    FOR EACH ROW
    EXECUTE FUNCTION refuse_change('what was decided is never changed: decide anew');
CREATE TRIGGER refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_actions
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('what was decided is never changed: decide anew');

ALTER TABLE operator_actions ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE operator_actions ENABLE ALWAYS TRIGGER refuse_statement;
