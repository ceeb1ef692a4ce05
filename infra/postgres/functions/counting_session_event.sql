-- Which event of one kind counts for a session: of those not voided, the one with the smallest id
-- (INTERFACE: "What is billed"). No row where there is none.
CREATE FUNCTION counting_session_event(wanted_session text, wanted_type text)
    RETURNS TABLE (id uuid, payload jsonb)
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
    SELECT event.id, event.payload
    FROM domain_events AS event
    WHERE event.aggregate_type = 'session'
      AND event.aggregate_id = wanted_session
      AND event.event_type = wanted_type
      AND NOT EXISTS (
          SELECT FROM domain_events AS decision
          WHERE decision.aggregate_type = 'session'
            AND decision.aggregate_id = wanted_session
            AND decision.event_type = 'services.session.voided'
            AND lower(decision.payload ->> 'eventId') = event.id::text
      )
    ORDER BY event.id
    LIMIT 1
$$;
