-- What processors on trial have said, in its order.
CREATE TEMPORARY TABLE said_payables (
    place bigint GENERATED ALWAYS AS IDENTITY,
    ledger_id uuid NOT NULL,
    kind text NOT NULL,
    mentor_id text NOT NULL,
    contract_id text NOT NULL,
    student_id text NOT NULL,
    session_id text,
    service_package_id text,
    price_code text NOT NULL,
    occurred_at timestamptz NOT NULL,
    session_ids text[] NOT NULL
);
CREATE TEMPORARY TABLE said_reports (
    place bigint GENERATED ALWAYS AS IDENTITY,
    exception_id uuid NOT NULL,
    reason text NOT NULL,
    subject text NOT NULL,
    standing boolean NOT NULL,
    basis bigint NOT NULL
);
