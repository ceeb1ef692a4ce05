-- Every event ever recorded, with its receipt where it has one: those still in domain_events, and
-- those of days that were dropped. An event is in it once, at every moment of an archival.
-- Restrict it by values or by arrays (`id = ANY(ARRAY(SELECT …))`), which reach the indexes of both
-- sides; a join alone does not, and reads everything. A transaction that is REPEATABLE READ locks
-- domain_events before its first query, or it might see a day on neither side.
CREATE VIEW recorded_events AS
SELECT
    event.id,
    event.aggregate_type,
    event.aggregate_id,
    event.event_type,
    event.payload,
    event.traceparent,
    event.created_at,
    receipt.topic,
    receipt.partition,
    receipt."offset",
    receipt.published_at,
    false AS archived
FROM domain_events AS event
LEFT JOIN domain_event_deliveries AS receipt
    -- On both columns: so that the receipts of an event are looked for in its own day only.
    -- And under its own topic alone: a record with its id in another one delivers nothing.
    ON receipt.event_id = event.id
    AND receipt.event_created_at = event.created_at
    AND receipt.topic = 'events.' || event.aggregate_type
UNION ALL
SELECT
    id,
    aggregate_type,
    aggregate_id,
    event_type,
    payload,
    traceparent,
    created_at,
    topic,
    partition,
    "offset",
    published_at,
    true
FROM archived_events
WHERE (created_at AT TIME ZONE 'UTC')::date <> ALL (
    ARRAY(SELECT day FROM archived_days WHERE dropped_at IS NULL)
);

COMMENT ON VIEW recorded_events IS
    'Every event ever recorded, with its receipt; archived: its day has left domain_events.';
