-- When an event was inserted, in seconds since 1970, by its id alone: a version 7 UUID begins with 48
-- bits of milliseconds. For figures over many bills, which would otherwise look each event up.
CREATE FUNCTION inserted_seconds(event_id uuid) RETURNS numeric
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $body$
    SELECT ('x' || left(replace(event_id::text, '-', ''), 12))::bit(48)::bigint / 1000.0
    $body$;
