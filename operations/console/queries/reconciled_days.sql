-- For each day (UTC) the newest run that judged the whole of it, as far as the day had come by then,
-- and what it found of that day (null where nothing belongs to it).
-- A run that reads from a later time on judged other things. A clean one while a stage was behind
-- judged nothing: it has warnings.
-- Parameters: first_day, last_day: date.
SELECT
    day::date AS day, judged.id, judged.task, judged.actor, judged.began_at, judged.found,
    judged.began_at < day_ends AS is_partial
FROM generate_series(
    %(first_day)s::date::timestamp, %(last_day)s::date::timestamp, interval '1 day'
) AS day
CROSS JOIN LATERAL (
    SELECT day AT TIME ZONE 'UTC' AS day_begins, (day + interval '1 day') AT TIME ZONE 'UTC' AS day_ends
) AS bounds
LEFT JOIN LATERAL (
    SELECT
        run.id, run.task, run.actor, run.began_at,
        jsonb_path_query_first(
            run.days, '$[*] ? (@.day == $day)',
            jsonb_build_object('day', to_char(day, 'YYYY-MM-DD'))
        ) AS found
    FROM reconciliation_runs AS run
    WHERE run.began_at >= day_begins
      AND (run.since IS NULL OR run.since <= day_begins)
      AND (run.until IS NULL OR run.until >= day_ends)
      AND (run.verdict <> 'clean' OR run.figures -> 'warnings' = '[]')
    ORDER BY run.ended_at DESC
    LIMIT 1
) AS judged ON true
ORDER BY day DESC
