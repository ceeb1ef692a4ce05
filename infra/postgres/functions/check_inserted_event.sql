-- Refuses an event that breaks its contract, inside the transaction that writes it.
-- It runs with its owner's rights, so that an application needs none on the checking functions.
CREATE FUNCTION check_inserted_event() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    AS $$
DECLARE
    -- An assignment is evaluated at once; PERFORM would run a query for each row.
    checked boolean;
BEGIN
    checked := check_domain_event(
        NEW.aggregate_type, NEW.aggregate_id, NEW.event_type, NEW.payload
    );
    RETURN NEW;
END
$$;
