-- What a new ledger entry must satisfy beyond its own row.
-- posted_at is the database's clock, whatever the client says; but after the last seal, also where
-- the clock was set back, so that no entry comes in below a seal by right. A reversal takes back exactly one
-- entry: same parties, same subject, same currency, the amount negated. A correction replaces an
-- entry that has been reversed.
CREATE FUNCTION prepare_ledger_entry() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
    AS $$
DECLARE
    reversed mentor_payable_ledgers;
BEGIN
    NEW.posted_at := greatest(
        clock_timestamp(),
        (
            SELECT posted_until + interval '1 microsecond'
            FROM ledger_seals
            ORDER BY number DESC
            LIMIT 1
        )
    );
    IF NEW.kind = 'reversal' AND NEW.reverses IS NOT NULL THEN
        SELECT * INTO reversed FROM mentor_payable_ledgers WHERE id = NEW.reverses;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'ledger entry % cannot be reversed: there is no such entry',
                NEW.reverses
                USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME, COLUMN = 'reverses';
        ELSIF reversed.kind = 'reversal' THEN
            RAISE EXCEPTION 'ledger entry % cannot be reversed: it is a reversal itself',
                NEW.reverses
                USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, COLUMN = 'reverses',
                HINT = 'Post a correction instead.';
        ELSIF (NEW.mentor_id, NEW.contract_id, NEW.student_id, NEW.session_id,
               NEW.service_package_id, NEW.currency, NEW.amount_minor)
            IS DISTINCT FROM
              (reversed.mentor_id, reversed.contract_id, reversed.student_id, reversed.session_id,
               reversed.service_package_id, reversed.currency, -reversed.amount_minor) THEN
            RAISE EXCEPTION 'the reversal of ledger entry % differs from it', NEW.reverses
                USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME,
                HINT = 'Copy mentor, contract, student, session, package and currency, '
                       'and negate the amount.';
        END IF;
    ELSIF NEW.kind = 'correction' AND NOT EXISTS (
        SELECT FROM mentor_payable_ledgers AS reversal
        WHERE reversal.kind = 'reversal'
          AND (reversal.session_id = NEW.session_id
               OR reversal.service_package_id = NEW.service_package_id)
    ) THEN
        RAISE EXCEPTION 'ledger entry % corrects nothing: no entry of its session or package is '
            'reversed', NEW.id
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME,
            HINT = 'Post the reversal first, in the same transaction.';
    END IF;
    RETURN NEW;
END
$$;
