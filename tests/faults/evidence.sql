-- What was seen of a run. Filled while it runs and once after it; the invariants read nothing else.
CREATE TABLE journal (
    id TEXT PRIMARY KEY,
    lane TEXT NOT NULL,
    place INTEGER NOT NULL, -- within its transaction
    aggregate_type TEXT NOT NULL,
    aggregate_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    payload TEXT NOT NULL,
    digest TEXT NOT NULL,
    begun_at REAL NOT NULL, -- machine's monotonic clock: before COMMIT or ROLLBACK was sent
    ended_at REAL NOT NULL, -- after its outcome was known
    outcome TEXT NOT NULL CHECK (outcome IN ('committed', 'rolled back', 'lost', 'unknown'))
) WITHOUT ROWID;
CREATE TABLE domain_events (
    id TEXT PRIMARY KEY,
    aggregate_type TEXT NOT NULL,
    aggregate_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    digest TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE deliveries (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    position INTEGER NOT NULL,
    id TEXT NOT NULL,
    key TEXT,
    event_type TEXT NOT NULL,
    digest TEXT NOT NULL,
    replayed INTEGER NOT NULL,
    read_at REAL NOT NULL, -- by the suite, soon after it was there
    PRIMARY KEY (topic, partition, position)
) WITHOUT ROWID;
CREATE TABLE receipts (
    id TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    position INTEGER NOT NULL
);
CREATE TABLE ledger_seen (id TEXT PRIMARY KEY, content TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE ledger (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    mentor_id TEXT NOT NULL,
    contract_id TEXT NOT NULL,
    student_id TEXT NOT NULL,
    session_id TEXT,
    service_package_id TEXT,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    price_effective_from TEXT NOT NULL,
    occurred_at TEXT NOT NULL,
    source_event_id TEXT NOT NULL,
    reverses TEXT,
    session_ids TEXT NOT NULL, -- JSON, sorted
    content TEXT NOT NULL -- all of the row, as ledger_seen has it
) WITHOUT ROWID;
CREATE TABLE exceptions (
    id TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    status TEXT NOT NULL,
    subject TEXT NOT NULL,
    source_event_id TEXT
) WITHOUT ROWID;
CREATE TABLE prices (
    mentor_id TEXT NOT NULL,
    price_code TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    effective_from TEXT NOT NULL
);
CREATE TABLE samples (
    at REAL NOT NULL, -- when the look began
    ended_at REAL NOT NULL,
    unhealthy TEXT NOT NULL, -- names of processes, '' when the status was green
    undelivered INTEGER NOT NULL,
    unbilled INTEGER NOT NULL,
    oldest_seconds REAL NOT NULL, -- for how long the oldest of both had been waiting
    slot TEXT NOT NULL -- its wal_status, 'missing', or 'unknown' while PostgreSQL did not answer
);
CREATE TABLE faults (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    fault_group TEXT NOT NULL,
    repair INTEGER NOT NULL,
    begun_at REAL NOT NULL,
    struck_at REAL NOT NULL, -- when it stood, and what the suite did to bring it about was over
    repair_at REAL NOT NULL, -- when its repair began; ended_at where it needs none
    ended_at REAL NOT NULL, -- when the fault, and its repair, were over
    recovered_at REAL, -- when nothing that was committed until the status was green waited any more
    green_at REAL, -- when the status was green again
    detail TEXT NOT NULL,
    exempt INTEGER NOT NULL,
    loud TEXT,
    silent TEXT, -- who went on from a position that was lost
    stands_still INTEGER NOT NULL, -- nothing committed after it may come before its repair
    red INTEGER,
    error TEXT
);
CREATE TABLE lanes (
    name TEXT PRIMARY KEY,
    events_per_second REAL NOT NULL, -- as it was told to write
    begun_at REAL NOT NULL,
    ended_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE failures (what TEXT NOT NULL); -- of the suite's own processes
CREATE TABLE strangers (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE poison (position TEXT PRIMARY KEY) WITHOUT ROWID; -- as an exception names it
CREATE INDEX journal_aggregate ON journal (aggregate_type, aggregate_id, id);
CREATE INDEX journal_lane ON journal (lane, ended_at);
CREATE INDEX deliveries_id ON deliveries (id);
CREATE INDEX receipts_id ON receipts (id);
