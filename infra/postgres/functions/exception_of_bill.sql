-- Status of the open or dismissed exception that keeps an event, or its session's or package's
-- bill, from the ledger; null where there is none. What a person must look at comes first.
-- A conflict is about the event it names: the bill of the events that agree does not wait for it.
CREATE FUNCTION exception_of_bill(wanted_event uuid, wanted_session text, wanted_package text)
    RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
    SELECT status
    FROM billing_exceptions
    WHERE status <> 'resolved'
      AND (source_event_id = wanted_event
           OR (reason NOT IN ('session_conflict', 'package_conflict', 'package_exceeded')
               -- A dismissal holds for the event it was about: another one can be billed.
               AND status <> 'dismissed'
               AND ((kind = 'session' AND subject = wanted_session)
                    OR (kind = 'package' AND subject = wanted_package))))
    ORDER BY array_position(ARRAY['failed', 'retrying', 'dismissed'], status)
    LIMIT 1
$$;
