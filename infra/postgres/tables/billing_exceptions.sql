-- Whatever could not be billed, and what became of it. Nothing else ever waits behind a row here.
CREATE TABLE billing_exceptions (
    id uuid PRIMARY KEY,
    reason text NOT NULL CHECK (reason IN (
        'price_missing', 'database_unavailable', 'timeout',
        'undecodable', 'unknown_event_type', 'session_conflict', 'package_conflict',
        'package_exceeded', 'ledger_conflict', 'unprocessable'
    )),
    status text NOT NULL CHECK (status IN ('retrying', 'failed', 'resolved', 'dismissed')),
    attempts int NOT NULL DEFAULT 1 CHECK (attempts >= 0),
    next_attempt_at timestamptz,
    first_failed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_error text,
    subject text NOT NULL,
    kind text CHECK (kind IN ('session', 'package')),
    source_event_id uuid,
    basis int NOT NULL DEFAULT 0 CHECK (basis >= 0),
    record jsonb,
    contents text NOT NULL GENERATED ALWAYS AS (exception_contents(record)) STORED,
    resolved_at timestamptz,
    resolution text,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Without a time it would wait for ever.
    CONSTRAINT retrying_has_a_time CHECK (status <> 'retrying' OR next_attempt_at IS NOT NULL),
    CONSTRAINT dismissed_for_a_reason CHECK (
        status <> 'dismissed' OR coalesce(resolution, '') ~ '\S'
    )
);

COMMENT ON COLUMN billing_exceptions.id IS
    'uuid5 of reason, subject and event: a redelivery updates, never adds.';
COMMENT ON COLUMN billing_exceptions.subject IS
    'Session id or package id where kind says so; otherwise what else it is about.';
COMMENT ON COLUMN billing_exceptions.basis IS
    'Number of facts it was decided on: a report with fewer is stale.';
COMMENT ON COLUMN billing_exceptions.record IS
    'What could not be billed; bytes that are not text in base64.';
COMMENT ON COLUMN billing_exceptions.contents IS
    'Names of the fields of record: with the reason they tell what can be done.';
COMMENT ON COLUMN billing_exceptions.resolution IS 'How it ended, or why it was dismissed.';

CREATE INDEX billing_exceptions_retrying_index ON billing_exceptions (status, next_attempt_at)
    WHERE status = 'retrying';
CREATE INDEX billing_exceptions_failed_index ON billing_exceptions (source_event_id)
    WHERE status = 'failed';
-- The pages of the console: counted, and read in order, for any statuses and reasons.
CREATE INDEX billing_exceptions_page_index
    ON billing_exceptions (status, reason, first_failed_at, id) INCLUDE (contents);
CREATE INDEX billing_exceptions_event_index ON billing_exceptions (source_event_id);
CREATE INDEX billing_exceptions_subject_index ON billing_exceptions (subject);

CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON billing_exceptions
    FOR EACH ROW EXECUTE FUNCTION touch_billing_exception();
