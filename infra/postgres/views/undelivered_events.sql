-- Events that Kafka has not had, as far as the receipts tell: what reconciliation, recovery and
-- repair read, so that they cannot disagree. One that was committed a moment ago is here, too.
CREATE VIEW undelivered_events AS
SELECT id, aggregate_type, aggregate_id, event_type, payload, traceparent, created_at
FROM recorded_events
-- Only what was delivered is ever archived.
WHERE published_at IS NULL AND NOT archived;

COMMENT ON VIEW undelivered_events IS
    'Events without a receipt under their own topic: on their way, or lost before Kafka.';
