-- The whole of some runs. Parameter: runs: uuid[].
SELECT id, task, actor, since, until, began_at, ended_at, verdict, figures, days, details
FROM reconciliation_runs
WHERE id = ANY(%(runs)s::uuid[])
