-- Makes the partition of one UTC day and says whether it did. Where it cannot be made now, it does
-- not fail: a NOTICE says why, and rows of that day go to (or stay in) the default partition, where
-- every query still finds them.
CREATE FUNCTION create_partition(parent text, day date) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
    -- It waits for whoever reads or writes the table, and all others queue up behind it meanwhile: the
    -- application's inserts, too. Made days ahead, it may as well be made an hour later.
    SET lock_timeout = '200ms'
    AS $$
DECLARE
    partition text := parent || '_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF to_regclass(format('public.%I', partition)) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format(
        'CREATE TABLE public.%I PARTITION OF public.%I FOR VALUES FROM (%L) TO (%L)',
        partition, parent,
        day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC'
    );
    -- Row triggers come with the parent, a statement trigger does not.
    EXECUTE format(
        'CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON public.%I FOR EACH STATEMENT '
        'EXECUTE FUNCTION refuse_change(%L)',
        partition, 'a day of ' || parent || ' is not truncated: drop its partition'
    );
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER refuse_truncate', partition);
    RETURN true;
EXCEPTION
    WHEN check_violation THEN
        RAISE NOTICE 'no partition % was made: the default partition already holds rows of that '
            'day, and they stay there', partition;
        RETURN false;
    WHEN lock_not_available THEN
        RAISE NOTICE 'no partition % was made: the default partition is in use; call '
            'create_partitions again later', partition;
        RETURN false;
END
$$;
