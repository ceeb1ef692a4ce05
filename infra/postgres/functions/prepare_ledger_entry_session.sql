-- A session can be paid by one unreversed entry only. The revision is counted here: 0 for the first
-- entry that pays the session, 1 for its correction, and so on. Of two transactions that pay the
-- same session at once, the primary key (session_id, revision) stops the second.
-- An entry is never deleted, so that looking it up once, here, does what a foreign key would,
-- without its lock on every ledger row.
CREATE FUNCTION prepare_ledger_entry_session() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
    AS $$
DECLARE
    paying_entry uuid;
BEGIN
    IF NOT EXISTS (
        SELECT FROM mentor_payable_ledgers WHERE id = NEW.entry_id AND kind <> 'reversal'
    ) THEN
        RAISE EXCEPTION 'session % cannot be paid by %: there is no such ledger entry, or it is a '
            'reversal', NEW.session_id, NEW.entry_id
            USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME, COLUMN = 'entry_id';
    END IF;
    SELECT count(*), (array_agg(paid.entry_id) FILTER (WHERE reversal.id IS NULL))[1]
    INTO NEW.revision, paying_entry
    FROM ledger_entry_sessions AS paid
    LEFT JOIN mentor_payable_ledgers AS reversal ON reversal.reverses = paid.entry_id
    WHERE paid.session_id = NEW.session_id;
    IF paying_entry IS NOT NULL THEN
        RAISE EXCEPTION 'session % is already paid by ledger entry %', NEW.session_id, paying_entry
            USING ERRCODE = 'unique_violation', TABLE = TG_TABLE_NAME,
            CONSTRAINT = 'ledger_entry_sessions_pkey',
            HINT = 'Reverse that entry first.';
    END IF;
    RETURN NEW;
END
$$;
