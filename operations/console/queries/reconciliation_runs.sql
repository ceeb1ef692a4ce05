-- Runs that were recorded, newest first. Parameter: rows_max: int.
SELECT
    id, task, actor, since, until, began_at, ended_at, verdict, figures,
    jsonb_array_length(days) AS days
FROM reconciliation_runs
ORDER BY ended_at DESC
LIMIT %(rows_max)s
