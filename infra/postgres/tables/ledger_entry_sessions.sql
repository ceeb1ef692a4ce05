-- The sessions that an entry pays: one for a session, all members for a package.
CREATE TABLE ledger_entry_sessions (
    entry_id uuid NOT NULL,
    session_id text NOT NULL,
    revision int NOT NULL,
    PRIMARY KEY (session_id, revision)
);

COMMENT ON COLUMN ledger_entry_sessions.revision IS
    'How many entries paid this session before; set by the database.';

CREATE INDEX ledger_entry_sessions_entry_index ON ledger_entry_sessions (entry_id);

CREATE TRIGGER prepare_entry_session BEFORE INSERT ON ledger_entry_sessions
    FOR EACH ROW EXECUTE FUNCTION prepare_ledger_entry_session();

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON ledger_entry_sessions
    FOR EACH ROW
    EXECUTE FUNCTION refuse_change('the ledger is immutable: correct it with a reversal');
CREATE TRIGGER refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry_sessions
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('the ledger is immutable: correct it with a reversal');

ALTER TABLE ledger_entry_sessions ENABLE ALWAYS TRIGGER prepare_entry_session;
ALTER TABLE ledger_entry_sessions ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE ledger_entry_sessions ENABLE ALWAYS TRIGGER refuse_statement;
