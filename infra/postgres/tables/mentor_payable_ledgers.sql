-- What is owed to mentors. Immutable: a wrong entry is taken back by a reversal, and replaced, if
-- at all, by a correction posted in the same transaction.
-- `reverses` is set on a reversal only: a correction replaces an entry, but it is the reversal that
-- takes it back. So an entry is reversed exactly if some row's `reverses` names it, and at most one
-- does; what a correction replaces is the reversed entry of the same session or package.
CREATE TABLE mentor_payable_ledgers (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('session', 'package', 'reversal', 'correction')),
    mentor_id text NOT NULL,
    contract_id text NOT NULL,
    student_id text NOT NULL,
    session_id text,
    service_package_id text,
    amount_minor bigint NOT NULL,
    currency char(3) NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    price_effective_from timestamptz NOT NULL,
    occurred_at timestamptz NOT NULL,
    source_event_id uuid NOT NULL,
    reverses uuid REFERENCES mentor_payable_ledgers (id),
    posted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT session_or_package CHECK (num_nonnulls(session_id, service_package_id) = 1),
    CONSTRAINT kind_of_subject CHECK (
        (kind <> 'session' OR session_id IS NOT NULL)
        AND (kind <> 'package' OR service_package_id IS NOT NULL)
    ),
    CONSTRAINT sign_of_amount CHECK (
        CASE kind WHEN 'reversal' THEN amount_minor < 0 ELSE amount_minor > 0 END
    ),
    CONSTRAINT reverses_by_kind CHECK ((kind = 'reversal') = (reverses IS NOT NULL))
);

COMMENT ON COLUMN mentor_payable_ledgers.id IS
    'uuid5 of the session or package, and of the revision for a correction.';
COMMENT ON COLUMN mentor_payable_ledgers.amount_minor IS
    'In minor units of the currency; negative for a reversal.';
COMMENT ON COLUMN mentor_payable_ledgers.occurred_at IS 'When it became billable.';
COMMENT ON COLUMN mentor_payable_ledgers.source_event_id IS 'The event that made it billable.';
COMMENT ON COLUMN mentor_payable_ledgers.reverses IS 'The entry that a reversal takes back.';

CREATE UNIQUE INDEX mentor_payable_ledgers_reversed_once ON mentor_payable_ledgers (reverses)
    WHERE reverses IS NOT NULL;
CREATE INDEX mentor_payable_ledgers_session_index ON mentor_payable_ledgers (session_id)
    WHERE session_id IS NOT NULL;
CREATE INDEX mentor_payable_ledgers_package_index ON mentor_payable_ledgers (service_package_id)
    WHERE service_package_id IS NOT NULL;
CREATE INDEX mentor_payable_ledgers_contract_index ON mentor_payable_ledgers (contract_id);
CREATE INDEX mentor_payable_ledgers_mentor_index ON mentor_payable_ledgers (mentor_id, posted_at);

-- What was posted since the last seal, or in a month; what was posted lately is reconciled.
CREATE INDEX mentor_payable_ledgers_posted_index ON mentor_payable_ledgers (posted_at);

CREATE TRIGGER prepare_entry BEFORE INSERT ON mentor_payable_ledgers
    FOR EACH ROW EXECUTE FUNCTION prepare_ledger_entry();

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON mentor_payable_ledgers
    FOR EACH ROW
    EXECUTE FUNCTION refuse_change('the ledger is immutable: correct it with a reversal');
CREATE TRIGGER refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON mentor_payable_ledgers
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('the ledger is immutable: correct it with a reversal');

ALTER TABLE mentor_payable_ledgers ENABLE ALWAYS TRIGGER prepare_entry;
ALTER TABLE mentor_payable_ledgers ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE mentor_payable_ledgers ENABLE ALWAYS TRIGGER refuse_statement;
