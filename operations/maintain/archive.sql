-- Reads the next events of one partition, in the order of their creation, and copies those that
-- were delivered to the archive. An event that is there already stays as it is.
--
-- {events}: the partition. Parameters: since, until: created_at of all its events lies between
-- them; after_created_at, after_id: the last event of the batch before; rows: how many;
-- fields: for each event type the fields of its schema.
WITH batch AS MATERIALIZED (
    SELECT *
    FROM {events}
    WHERE created_at >= %(since)s AND created_at < %(until)s
      AND (created_at, id) > (%(after_created_at)s, %(after_id)s)
    ORDER BY created_at, id
    LIMIT %(rows)s
),
added AS (
    INSERT INTO archived_events (
        id, aggregate_type, aggregate_id, event_type, payload, traceparent, created_at,
        topic, partition, "offset", published_at
    )
    SELECT
        event.id,
        event.aggregate_type,
        event.aggregate_id,
        event.event_type,
        -- An event type that no schema knows (there should be none) keeps everything.
        event.payload - ARRAY(
            SELECT key
            FROM jsonb_object_keys(event.payload) AS key
            WHERE NOT (%(fields)s::jsonb -> event.event_type) ? key
        ),
        event.traceparent,
        event.created_at,
        receipt.topic,
        receipt.partition,
        receipt."offset",
        receipt.published_at
    FROM batch AS event
    JOIN domain_event_deliveries AS receipt
        ON receipt.event_id = event.id
        AND receipt.event_created_at = event.created_at
        AND receipt.topic = 'events.' || event.aggregate_type
        AND receipt.event_created_at >= %(since)s AND receipt.event_created_at < %(until)s
    ON CONFLICT (id) DO NOTHING
    RETURNING id
)
SELECT (SELECT count(*) FROM added), batch.created_at, batch.id
FROM batch
ORDER BY batch.created_at DESC, batch.id DESC
LIMIT 1
