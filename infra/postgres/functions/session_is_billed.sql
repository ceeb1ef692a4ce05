-- Whether an entry that has not been reversed pays the session.
CREATE FUNCTION session_is_billed(wanted_session text) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
    SELECT EXISTS (
        SELECT
        FROM ledger_entry_sessions AS paid
        WHERE paid.session_id = wanted_session
          AND NOT EXISTS (
              SELECT FROM mentor_payable_ledgers AS reversal
              WHERE reversal.reverses = paid.entry_id
          )
    )
$$;
