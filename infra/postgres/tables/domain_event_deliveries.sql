-- Receipts: where and when the ledger writer saw an event in Kafka. An event without one after some
-- seconds is not delivered. Partitioned as domain_events is, so that receipts go with their day.
CREATE TABLE domain_event_deliveries (
    event_id uuid NOT NULL,
    event_created_at timestamptz NOT NULL,
    topic text NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- With the topic: a record that somebody produced into a topic it does not belong into must not
    -- keep the receipt of the true one out.
    PRIMARY KEY (event_id, event_created_at, topic)
) PARTITION BY RANGE (event_created_at);

COMMENT ON COLUMN domain_event_deliveries.event_created_at IS 'created_at of the event.';
COMMENT ON COLUMN domain_event_deliveries.published_at IS 'When the event was first seen in Kafka.';
