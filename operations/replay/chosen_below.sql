-- The events whose first delivery lay in a range of a partition: for what Kafka no longer keeps.
--
-- Parameters: topic, partition, start (inclusive), end (exclusive).
DROP TABLE IF EXISTS pg_temp.chosen;
CREATE TEMP TABLE chosen AS
SELECT row_number() OVER (ORDER BY "offset") AS number, id, created_at
FROM recorded_events
WHERE topic = %(topic)s
  AND partition = %(partition)s
  AND "offset" >= %(start)s
  AND "offset" < %(end)s;
CREATE UNIQUE INDEX ON chosen (number);
