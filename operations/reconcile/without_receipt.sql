-- Events that were created a while ago and have not been seen in the topic they belong into.
-- Perhaps committed only now, by a long transaction: ask again before calling them undelivered.
SELECT event.id
FROM domain_events AS event
LEFT JOIN domain_event_deliveries AS receipt
    ON receipt.event_id = event.id
    AND receipt.event_created_at = event.created_at
    AND receipt.topic = 'events.' || event.aggregate_type
WHERE receipt.event_id IS NULL
  AND event.created_at < clock_timestamp() - make_interval(secs => %(grace_seconds)s)
