-- First part of one statement: what a window of time has touched, and nothing else.
--
-- Parameters, from touched.py: sessions, contracts: whose events are read; entries: ids of ledger
-- entries; since, until: the window, in which all events are read.
WITH
recorded AS NOT MATERIALIZED (
    SELECT *
    FROM recorded_events_of(
        %(sessions)s::text[], %(contracts)s::text[],
        %(since)s::timestamptz, %(until)s::timestamptz
    )
),
entry AS MATERIALIZED (
    SELECT * FROM mentor_payable_ledgers WHERE id = ANY(%(entries)s::uuid[])
),
entry_session AS MATERIALIZED (
    SELECT * FROM ledger_entry_sessions WHERE entry_id = ANY(%(entries)s::uuid[])
),
