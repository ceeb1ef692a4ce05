-- Makes the daily partitions from today (UTC) to days_ahead days from now, where they are missing,
-- and returns how many it made. Calls may overlap and be repeated.
CREATE FUNCTION create_partitions(days_ahead int) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    AS $$
DECLARE
    today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    parent text;
    ahead int;
    made int := 0;
BEGIN
    IF days_ahead IS NULL OR days_ahead < 0 THEN
        RAISE EXCEPTION 'create_partitions: days_ahead must be 0 or more, not %', days_ahead
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- One at a time; the key is only this function's.
    PERFORM pg_advisory_xact_lock(hashtextextended('outbox.create_partitions', 0));
    FOREACH parent IN ARRAY ARRAY['domain_events', 'domain_event_deliveries'] LOOP
        FOR ahead IN 0..days_ahead LOOP
            made := made + create_partition(parent, today + ahead)::int;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;
