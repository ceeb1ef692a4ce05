-- What the record of an exception holds, as the names of its fields joined by commas: what can be done
-- about an exception follows from that. Empty where it holds nothing.
CREATE FUNCTION exception_contents(record jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $body$
    SELECT coalesce(
        (
            SELECT string_agg(name, ',' ORDER BY name)
            FROM jsonb_object_keys(
                CASE WHEN jsonb_typeof(record) = 'object' THEN record ELSE '{}' END
            ) AS name
        ),
        ''
    )
    $body$;
