-- What reconciliations found, for the console. Of the scheduler's, the last one of each day, task and
-- verdict is kept (operations/reconcile/recording.py); of those that a person asked for, each.
CREATE TABLE reconciliation_runs (
    id uuid PRIMARY KEY DEFAULT domain_event_id(),
    task text NOT NULL CHECK (task ~ '\S'),
    actor text NOT NULL CHECK (actor ~ '\S'),
    since timestamptz,
    until timestamptz,
    began_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    verdict text NOT NULL CHECK (verdict IN ('clean', 'discrepancy', 'roll_back')),
    figures jsonb NOT NULL,
    days jsonb NOT NULL,
    details jsonb NOT NULL
);

COMMENT ON COLUMN reconciliation_runs.task IS 'The scheduler''s name of it, or asked.';
COMMENT ON COLUMN reconciliation_runs.since IS
    'Bills that fell due from then on were judged; null: all.';
COMMENT ON COLUMN reconciliation_runs.until IS 'Bills that fell due before; null: all.';
COMMENT ON COLUMN reconciliation_runs.figures IS 'The counts of `outbox reconcile`, by name.';
COMMENT ON COLUMN reconciliation_runs.days IS 'The counts of each day (UTC) that it judged.';
COMMENT ON COLUMN reconciliation_runs.details IS 'The offenders, each with its fault and its ids.';

CREATE INDEX reconciliation_runs_time_index ON reconciliation_runs (ended_at);
