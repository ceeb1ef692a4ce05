-- The days that `outbox maintain` has taken out of domain_events, or is about to: while a day is
-- being copied its rows stand in both places, and recorded_events shows those of the archive only
-- from the transaction on that takes the day away.
CREATE TABLE archived_days (
    day date PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    dropped_at timestamptz,
    events bigint,
    CONSTRAINT counted_when_dropped CHECK ((dropped_at IS NULL) = (events IS NULL))
);

COMMENT ON COLUMN archived_days.day IS 'In UTC, as the partitions are.';
COMMENT ON COLUMN archived_days.dropped_at IS
    'When the day left domain_events; null while it is being copied.';
COMMENT ON COLUMN archived_days.events IS 'How many events it held when it was dropped.';
