-- Posts, receipts, and keeps the exceptions; cannot alter what it posted, nor write an event.
GRANT USAGE ON SCHEMA public TO outbox_ledger_writer;
GRANT SELECT, INSERT ON mentor_payable_ledgers, ledger_entry_sessions, domain_event_deliveries
    TO outbox_ledger_writer;
-- Of the last seal its time is read: what is posted comes after it.
GRANT SELECT (number, posted_until) ON ledger_seals TO outbox_ledger_writer;
GRANT SELECT ON mentor_prices TO outbox_ledger_writer;
GRANT SELECT, INSERT, UPDATE ON billing_exceptions TO outbox_ledger_writer;
-- What a generated column computes is computed with the rights of whoever writes.
GRANT EXECUTE ON FUNCTION exception_contents(jsonb) TO outbox_ledger_writer;
-- It runs for months: it may keep the days ahead.
GRANT EXECUTE ON FUNCTION create_partitions(int) TO outbox_ledger_writer;
