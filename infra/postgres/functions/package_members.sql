-- The sessions that count toward a package, smallest completed event first, at most as many as its
-- total; `complete` says on every row whether that many are there (INTERFACE: "What is billed").
CREATE FUNCTION package_members(wanted_package text)
    RETURNS TABLE (session_id text, complete boolean)
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
    WITH candidate AS (
        SELECT named.session_id, completed.id, completed.payload
        FROM (
            SELECT written.aggregate_id AS session_id
            FROM domain_events AS written
            WHERE written.payload ->> 'servicePackageId' = wanted_package
              AND written.event_type = 'services.session.completed'
            UNION
            SELECT archived.aggregate_id
            FROM archived_events AS archived
            WHERE archived.payload ->> 'servicePackageId' = wanted_package
              AND archived.event_type = 'services.session.completed'
        ) AS named
        CROSS JOIN LATERAL
            counting_session_event(named.session_id, 'services.session.completed') AS completed
        WHERE completed.payload ->> 'servicePackageId' = wanted_package
    ),
    terms AS (
        SELECT payload, (payload ->> 'packageTotalSessions')::numeric AS total
        FROM candidate
        ORDER BY id
        LIMIT 1
    ),
    billable AS (
        SELECT candidate.session_id, terms.total, row_number() OVER (ORDER BY candidate.id) AS place
        FROM candidate
        CROSS JOIN terms
        WHERE (candidate.payload -> 'mentorId', candidate.payload -> 'contractId',
               candidate.payload -> 'studentId', candidate.payload -> 'packageCode',
               candidate.payload -> 'packageTotalSessions')
            = (terms.payload -> 'mentorId', terms.payload -> 'contractId',
               terms.payload -> 'studentId', terms.payload -> 'packageCode',
               terms.payload -> 'packageTotalSessions')
          AND (NOT (candidate.payload ->> 'requiredEvaluation')::boolean
               OR EXISTS (
                   SELECT
                   FROM counting_session_event(candidate.session_id, 'services.session.evaluated')
               ))
    )
    SELECT billable.session_id, count(*) OVER () >= billable.total
    FROM billable
    WHERE billable.place <= billable.total
$$;
