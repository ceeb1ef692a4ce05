-- First part of one statement: all that is judged. window.sql is the other first part.
WITH
recorded AS NOT MATERIALIZED (
    SELECT * FROM recorded_events
),
entry AS NOT MATERIALIZED (
    SELECT * FROM mentor_payable_ledgers
),
entry_session AS NOT MATERIALIZED (
    SELECT * FROM ledger_entry_sessions
),
