-- The events whose first delivery lay in a range of a partition: for what Kafka no longer keeps.
--
-- Parameters: topic, partition, start (inclusive), end (exclusive).
SELECT row_number() OVER (ORDER BY "offset") AS number, id, created_at
FROM recorded_events
WHERE topic = %(topic)s
  AND partition = %(partition)s
  AND "offset" >= %(start)s
  AND "offset" < %(end)s
