-- What has become of an event's bill: the column `billing` of domain_event_status.
-- A second statement of the rules in INTERFACE.md, on purpose: it shares nothing with the code that
-- bills, reads only what was committed, and so shows where that code lags or errs.
CREATE FUNCTION domain_event_billing(
    event_id uuid, event_type text, aggregate_id text, payload jsonb
) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
DECLARE
    completed record;
    evaluated record;
    package text;
    exception_status text;
    package_complete boolean;
    taken_back boolean;
BEGIN
    IF event_type NOT IN ('services.session.completed', 'services.session.evaluated') THEN
        RETURN 'not_billable';
    END IF;

    SELECT * INTO completed
    FROM counting_session_event(aggregate_id, 'services.session.completed');
    SELECT * INTO evaluated
    FROM counting_session_event(aggregate_id, 'services.session.evaluated');
    package := completed.payload ->> 'servicePackageId';

    -- An event that does not count has no part in the bill: only an exception of its own matters.
    IF event_id IS DISTINCT FROM completed.id AND event_id IS DISTINCT FROM evaluated.id THEN
        RETURN coalesce(exception_of_bill(event_id, NULL, NULL), 'not_billable');
    END IF;

    IF event_id = evaluated.id AND NOT (completed.payload ->> 'requiredEvaluation')::boolean THEN
        RETURN coalesce(exception_of_bill(event_id, NULL, NULL), 'not_billable');
    -- What is paid is paid, whatever else was found out about it.
    ELSIF completed.id IS NOT NULL AND session_is_billed(aggregate_id) THEN
        RETURN 'billed';
    END IF;
    exception_status := exception_of_bill(event_id, aggregate_id, package);
    IF exception_status IS NOT NULL THEN
        RETURN exception_status;
    ELSIF completed.id IS NULL THEN
        RETURN 'waiting_completion';
    ELSIF (completed.payload ->> 'requiredEvaluation')::boolean AND evaluated.id IS NULL THEN
        RETURN 'waiting_evaluation';
    END IF;

    -- A person reversed the bill and put nothing in its place: no event brings it back.
    taken_back := EXISTS (
        SELECT FROM mentor_payable_ledgers
        WHERE kind = 'reversal' AND session_id = aggregate_id AND package IS NULL
    ) OR EXISTS (
        SELECT FROM mentor_payable_ledgers
        WHERE kind = 'reversal' AND service_package_id = package
    );
    IF package IS NULL THEN
        RETURN CASE WHEN taken_back THEN 'dismissed' ELSE 'due' END;
    END IF;

    SELECT member.complete INTO package_complete
    FROM package_members(package) AS member
    WHERE member.session_id = aggregate_id;
    RETURN CASE
        WHEN package_complete AND taken_back THEN 'dismissed'
        WHEN package_complete THEN 'due'
        WHEN NOT package_complete THEN 'waiting_package'
        -- On other terms, or one beyond the total: an exception says so as soon as it is decided.
        ELSE 'not_billable'
    END;
END
$$;
