-- All events of some sessions and contracts, whenever they happened, and whatever else happened in a
-- time. A function of its own because each event's receipt is looked up one by one here, which is
-- right for some of many and wrong for what reconciliation then does with them. (The arrays come from
-- a subquery, since the planner estimates each element of one that it knows, for each day.)
CREATE FUNCTION recorded_events_of(
    wanted_sessions text[], wanted_contracts text[], since timestamptz, until timestamptz
) RETURNS TABLE (
    id uuid, aggregate_type text, aggregate_id text, event_type text, payload jsonb,
    created_at timestamptz, topic text, partition int, "offset" bigint, published_at timestamptz
)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, public, pg_temp
    SET enable_nestloop = on
    SET jit = off
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT id, aggregate_type, aggregate_id, event_type, payload, created_at,
           topic, partition, "offset", published_at
    FROM recorded_events
    WHERE created_at >= since AND created_at < until
    UNION ALL
    SELECT id, aggregate_type, aggregate_id, event_type, payload, created_at,
           topic, partition, "offset", published_at
    FROM recorded_events
    WHERE aggregate_type = 'session' AND aggregate_id = ANY(ARRAY(SELECT unnest(wanted_sessions)))
      AND NOT (created_at >= since AND created_at < until)
    UNION ALL
    SELECT id, aggregate_type, aggregate_id, event_type, payload, created_at,
           topic, partition, "offset", published_at
    FROM recorded_events
    WHERE aggregate_type = 'contract' AND aggregate_id = ANY(ARRAY(SELECT unnest(wanted_contracts)))
      AND NOT (created_at >= since AND created_at < until);
END
$$;
