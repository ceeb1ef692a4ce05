-- The identity of an event: a version 7 UUID, so that ids sort by the time they were made.
-- PostgreSQL 18 makes them itself (strictly ascending within a session); for 14 to 17 they are put
-- together here after RFC 9562, section 6.2, method 3: 48 bits of milliseconds, then 12 bits with
-- the microseconds of that millisecond, then 62 random bits.
DO $create$
BEGIN
    IF to_regprocedure('pg_catalog.uuidv7()') IS NOT NULL THEN
        CREATE FUNCTION domain_event_id() RETURNS uuid
            LANGUAGE sql VOLATILE PARALLEL SAFE
            AS 'SELECT uuidv7()';
    ELSE
        CREATE FUNCTION domain_event_id() RETURNS uuid
            LANGUAGE plpgsql VOLATILE PARALLEL SAFE
            AS $body$
            DECLARE
                microseconds bigint := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
                milliseconds bytea := substring(int8send(microseconds / 1000) FROM 3 FOR 6);
                fraction int := (microseconds % 1000) * 4096 / 1000;
            BEGIN
                -- The rest of a version 4 UUID already holds the variant and the random bits.
                RETURN encode(
                    overlay(
                        uuid_send(gen_random_uuid())
                        PLACING milliseconds || substring(int4send(28672 + fraction) FROM 3 FOR 2)
                        FROM 1 FOR 8
                    ),
                    'hex'
                )::uuid;
            END
            $body$;
    END IF;
END
$create$;
