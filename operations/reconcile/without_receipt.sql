-- Events that were created a while ago and have not been seen in the topic they belong into.
-- Perhaps committed only now, by a long transaction: ask again before calling them undelivered.
SELECT id
FROM undelivered_events
WHERE created_at < clock_timestamp() - make_interval(secs => %(grace_seconds)s)
  AND created_at >= %(since)s::timestamptz AND created_at < %(until)s::timestamptz
