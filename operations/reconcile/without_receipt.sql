-- Events that were created a while ago and have not been seen in the topic they belong into.
-- Perhaps committed only now, by a long transaction: ask again before calling them undelivered.
SELECT id
FROM undelivered_events
WHERE created_at < clock_timestamp() - make_interval(secs => %(grace_seconds)s)
  AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s::timestamptz)
  AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s::timestamptz)
