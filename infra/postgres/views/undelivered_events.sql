-- Events that Kafka has not had, as far as the receipts tell: the one definition that reconciliation
-- and recovery share. An event is there only where its own topic holds it: a record with its id in
-- another topic delivers nothing. One that was committed a moment ago is here, too.
CREATE VIEW undelivered_events AS
SELECT
    event.id,
    event.aggregate_type,
    event.aggregate_id,
    event.event_type,
    event.payload,
    event.traceparent,
    event.created_at
FROM domain_events AS event
LEFT JOIN domain_event_deliveries AS receipt
    ON receipt.event_id = event.id
    AND receipt.event_created_at = event.created_at
    AND receipt.topic = 'events.' || event.aggregate_type
WHERE receipt.event_id IS NULL;

COMMENT ON VIEW undelivered_events IS
    'Events without a receipt under their own topic: on their way, or lost before Kafka.';
