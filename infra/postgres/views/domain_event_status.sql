-- Every event, also of days that were dropped, with what became of it: seen in Kafka or not,
-- billed or not, how often tried.
-- Made for two uses: the figures of the last hour over millions of rows (so status costs one join
-- and one hashed look-up), and the history of one contract, session, package or mentor (so all the
-- rest is looked up row by row, and only where it is selected).
CREATE VIEW domain_event_status AS
SELECT
    event.id,
    event.aggregate_type,
    event.aggregate_id,
    event.event_type,
    event.payload,
    CASE
        WHEN EXISTS (
            SELECT
            FROM billing_exceptions AS problem
            WHERE problem.source_event_id = event.id
              AND problem.status = 'failed'
        ) THEN 'failed'
        WHEN event.published_at IS NOT NULL THEN 'published'
        ELSE 'pending'
    END AS status,
    domain_event_billing(event.id, event.event_type, event.aggregate_id, event.payload) AS billing,
    -- The first attempt is no retry.
    coalesce(
        (
            SELECT greatest(max(problem.attempts) - 1, 0)
            FROM billing_exceptions AS problem
            WHERE problem.source_event_id = event.id
        ),
        0
    ) AS retry_count,
    event.created_at,
    event.published_at,
    (
        SELECT problem.last_error
        FROM billing_exceptions AS problem
        WHERE problem.source_event_id = event.id
          AND problem.status <> 'resolved'
        ORDER BY problem.updated_at DESC
        LIMIT 1
    ) AS last_error
FROM recorded_events AS event;

COMMENT ON VIEW domain_event_status IS
    'pending: committed, not yet seen in Kafka; published: seen there; failed: a person must look.';
