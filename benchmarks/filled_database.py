"""A database full of billed events: 30 days of a platform at work, for benchmarks that read."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infra.postgres.migrate import OWNER, apply_migrations, configure_database

if TYPE_CHECKING:
    from collections.abc import Iterator

_DATABASE = "outbox_benchmark"
DAYS = 30
EVENTS_A_SESSION = 2
_SESSIONS_A_PACKAGE = 10

_PARTITIONS = """
    SELECT create_partition(parent, (now() AT TIME ZONE 'UTC')::date - ago)
    FROM unnest(ARRAY['domain_events', 'domain_event_deliveries']) AS parent
    CROSS JOIN generate_series(1, %(days)s) AS ago
"""
# A session is completed, and its service consumed, in one transaction. The sessions of a package
# are three days apart; a contract is a package of ten, and so are ten single sessions.
_EVENTS = """
    INSERT INTO domain_events (id, aggregate_type, aggregate_id, event_type, payload, created_at)
    SELECT
        overlay(gen_random_uuid()::text PLACING lpad(to_hex(number), 8, '0') FROM 1)::uuid,
        event.aggregate_type, event.aggregate_id, event.event_type, event.payload, created_at
    FROM generate_series(0, %(sessions)s - 1) AS number
    CROSS JOIN LATERAL (
        SELECT
            date_trunc('milliseconds', now()) - make_interval(secs => 60 + (%(sessions)s - number)
                / %(sessions)s::double precision * (%(days)s * 86400 - 120)) AS created_at,
            number %% %(contracts)s AS contract
    ) AS placed
    CROSS JOIN LATERAL (
        SELECT 'session' AS aggregate_type, 's-' || number AS aggregate_id,
               'services.session.completed' AS event_type,
               jsonb_build_object(
                   'sessionId', 's-' || number, 'contractId', 'c-' || contract,
                   'mentorId', 'm-' || contract %% 500, 'studentId', 'u-' || contract,
                   'sessionType', 'single', 'requiredEvaluation', false,
                   'completedAt', to_char(created_at AT TIME ZONE 'UTC',
                                          'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
               ) || CASE WHEN contract %% 4 = 0 THEN '{}' ELSE jsonb_build_object(
                   'servicePackageId', 'p-' || contract, 'packageCode', 'course',
                   'packageTotalSessions', %(package)s::int
               ) END AS payload
        UNION ALL
        SELECT 'contract', 'c-' || contract, 'service.consumed', jsonb_build_object(
            'contractId', 'c-' || contract, 'sessionId', 's-' || number, 'sessionType', 'single',
            'quantity', 1, 'remaining', 0
        )
    ) AS event
"""
_RECEIPTS = """
    INSERT INTO domain_event_deliveries
    SELECT id, created_at, 'events.' || aggregate_type, 0, row_number() OVER (ORDER BY id),
           created_at + interval '20 milliseconds'
    FROM domain_events
"""
_PRICES = """
    INSERT INTO mentor_prices
    SELECT 'm-' || number, code, 10000, 'USD', '2020-01-01Z'
    FROM generate_series(0, 499) AS number
    CROSS JOIN unnest(ARRAY['single', 'course']) AS code
"""
_ENTRIES = """
    WITH completed AS (
        SELECT id, created_at, payload, payload ->> 'servicePackageId' AS package,
               coalesce(payload ->> 'servicePackageId', aggregate_id) AS subject,
               (payload ->> 'completedAt')::timestamptz AS completed_at, aggregate_id
        FROM domain_events WHERE event_type = 'services.session.completed'
    ),
    bill AS (
        SELECT subject, min(package) AS package, min(aggregate_id) AS session_id,
               (array_agg(payload ORDER BY id))[1] AS payload, max(completed_at) AS occurred_at,
               (array_agg(id ORDER BY completed_at DESC))[1] AS source_event_id,
               max(created_at) AS created_at
        FROM completed
        GROUP BY subject
    ),
    entry AS (
        INSERT INTO mentor_payable_ledgers
        SELECT md5(subject)::uuid, CASE WHEN package IS NULL THEN 'session' ELSE 'package' END,
               payload ->> 'mentorId', payload ->> 'contractId', payload ->> 'studentId',
               CASE WHEN package IS NULL THEN session_id END, package, 10000, 'USD',
               '2020-01-01Z', occurred_at, source_event_id, NULL,
               created_at + interval '30 milliseconds'
        FROM bill
        ORDER BY created_at
    )
    INSERT INTO ledger_entry_sessions
    SELECT md5(subject)::uuid, aggregate_id, 0 FROM completed
"""
_TRIGGERS_OFF = ("domain_events", "mentor_payable_ledgers", "ledger_entry_sessions")


@contextmanager
def benchmark_database(admin_url: str) -> Iterator[str]:
    """Make an empty database beside others, and drop it in the end; its address."""
    name = sql.Identifier(_DATABASE)
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name)
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(drop)
        admin.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(
                name, sql.Identifier(OWNER)
            )
        )
        configure_database(admin, _DATABASE)
        try:
            url = make_conninfo(admin_url, dbname=_DATABASE)
            apply_migrations(url)
            yield url
        finally:
            admin.execute(drop)


def fill(connection: psycopg.Connection, sessions: int) -> None:
    """Write so many sessions, their receipts, prices and bills; three quarters are in packages."""
    connection.execute(_PARTITIONS, {"days": DAYS})
    for table in _TRIGGERS_OFF:
        connection.execute(
            sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(sql.Identifier(table))
        )
    contracts = max(sessions // _SESSIONS_A_PACKAGE, 1)
    connection.execute(
        _EVENTS,
        {
            "sessions": contracts * _SESSIONS_A_PACKAGE,
            "contracts": contracts,
            "days": DAYS,
            "package": _SESSIONS_A_PACKAGE,
        },
    )
    for statement in (_RECEIPTS, _PRICES, _ENTRIES, "VACUUM ANALYZE"):
        connection.execute(statement)
