-- How many events of the last hour have which status, and their average delay until Kafka had them.
SELECT
    status,
    count(*) AS events,
    avg(extract(epoch FROM published_at - created_at))::float AS delay_seconds
FROM domain_event_status
WHERE created_at > now() - interval '1 hour'
GROUP BY status
ORDER BY status
