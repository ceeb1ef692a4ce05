-- Which event of one kind counts for a session: of those not voided, the one with the smallest id
-- (INTERFACE: "What is billed"). No row where there is none. Events of dropped days count, too; an
-- event that is being archived is read twice, which changes nothing here.
CREATE FUNCTION counting_session_event(wanted_session text, wanted_type text)
    RETURNS TABLE (id uuid, payload jsonb)
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
    WITH event AS MATERIALIZED (
        SELECT written.id, written.event_type, written.payload
        FROM domain_events AS written
        WHERE written.aggregate_type = 'session' AND written.aggregate_id = wanted_session
        UNION ALL
        SELECT archived.id, archived.event_type, archived.payload
        FROM archived_events AS archived
        WHERE archived.aggregate_type = 'session' AND archived.aggregate_id = wanted_session
    )
    SELECT event.id, event.payload
    FROM event
    WHERE event.event_type = wanted_type
      AND NOT EXISTS (
          SELECT FROM event AS decision
          WHERE decision.event_type = 'services.session.voided'
            AND lower(decision.payload ->> 'eventId') = event.id::text
      )
    ORDER BY event.id
    LIMIT 1
$$;
