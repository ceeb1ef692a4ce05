-- Seals: a hash over all entries of the ledger that were posted since the seal before, chained to
-- it. Whoever alters, removes or slips in an entry below a seal, with whatever rights, is found by
-- `outbox ledger verify`; and whoever alters the seals, too, by the head that is kept elsewhere.
CREATE TABLE ledger_seals (
    number bigint PRIMARY KEY CHECK (number > 0),
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    posted_until timestamptz NOT NULL,
    entries bigint NOT NULL CHECK (entries >= 0),
    entries_hash bytea NOT NULL,
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL
);

COMMENT ON COLUMN ledger_seals.posted_until IS
    'Every entry with this posted_at or an earlier one is below this seal; none comes in later.';
COMMENT ON COLUMN ledger_seals.entries IS 'How many were sealed by this one, not by those before.';
COMMENT ON COLUMN ledger_seals.entries_hash IS 'SHA-256 over their digests, in the order of ids.';
COMMENT ON COLUMN ledger_seals.previous_hash IS 'hash of the seal before; empty for the first.';
COMMENT ON COLUMN ledger_seals.hash IS 'SHA-256 over all other columns.';

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON ledger_seals
    FOR EACH ROW EXECUTE FUNCTION refuse_change('a seal is never changed: make another one');
CREATE TRIGGER refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_seals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('a seal is never changed: make another one');

ALTER TABLE ledger_seals ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE ledger_seals ENABLE ALWAYS TRIGGER refuse_statement;
