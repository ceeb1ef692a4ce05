-- Which entries a seal holds, and the digest of each: so that what was altered or removed can be
-- named. The seal's own hash covers this list.
CREATE TABLE sealed_ledger_entries (
    entry_id uuid PRIMARY KEY,
    seal bigint NOT NULL,
    digest bytea NOT NULL
);

COMMENT ON COLUMN sealed_ledger_entries.digest IS
    'SHA-256 over all columns of the entry and the sessions that it pays.';

CREATE INDEX sealed_ledger_entries_seal_index ON sealed_ledger_entries (seal, entry_id);

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON sealed_ledger_entries
    FOR EACH ROW EXECUTE FUNCTION refuse_change('a seal is never changed: make another one');
CREATE TRIGGER refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON sealed_ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('a seal is never changed: make another one');

ALTER TABLE sealed_ledger_entries ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE sealed_ledger_entries ENABLE ALWAYS TRIGGER refuse_statement;
