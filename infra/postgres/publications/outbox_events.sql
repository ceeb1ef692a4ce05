-- What the connector reads. Inserts only: nothing else ever happens to an event, and dropping a day
-- must not reach Kafka. Under the root's name, so that a new partition needs no new publication.
CREATE PUBLICATION outbox_events FOR TABLE domain_events
    WITH (publish = 'insert', publish_via_partition_root = true);
