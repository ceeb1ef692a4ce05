-- What an id that somebody typed is the id of. Each is one probe of an index.
-- Parameters: wanted: text; event: the same as uuid, or null where it is none.
SELECT kind
FROM (VALUES
    (1, 'contract', EXISTS (
        SELECT FROM recorded_events
        WHERE aggregate_type = 'contract' AND aggregate_id = %(wanted)s::text
    ) OR EXISTS (
        SELECT FROM recorded_events WHERE payload ->> 'contractId' = %(wanted)s::text
    )),
    (2, 'session', EXISTS (
        SELECT FROM recorded_events
        WHERE aggregate_type = 'session' AND aggregate_id = %(wanted)s::text
    )),
    (3, 'package', EXISTS (
        SELECT FROM recorded_events WHERE payload ->> 'servicePackageId' = %(wanted)s::text
    )),
    (4, 'mentor', EXISTS (
        SELECT FROM recorded_events WHERE payload ->> 'mentorId' = %(wanted)s::text
    )),
    (5, 'event', EXISTS (SELECT FROM recorded_events WHERE id = %(event)s::uuid))
) AS place (number, kind, is_there)
WHERE is_there
ORDER BY number
