-- What processors on trial have said, in its order.
-- A bill that is owed no more has its ledger id and kind, and nothing else.
CREATE TEMPORARY TABLE said_payables (
    place bigint GENERATED ALWAYS AS IDENTITY,
    ledger_id uuid NOT NULL,
    kind text NOT NULL,
    mentor_id text,
    contract_id text,
    student_id text,
    session_id text,
    service_package_id text,
    price_code text,
    occurred_at timestamptz,
    session_ids text[]
);
CREATE TEMPORARY TABLE said_reports (
    place bigint GENERATED ALWAYS AS IDENTITY,
    exception_id uuid NOT NULL,
    reason text NOT NULL,
    subject text NOT NULL,
    standing boolean NOT NULL,
    basis bigint NOT NULL
);
