"""How long reconciliation takes over many events: `python -m benchmarks.reconciliation`.

Needs a PostgreSQL server, by default that of the local stack, and a superuser of it. Makes a
database of its own there and removes it afterwards: 30 days of a platform at work, three quarters
of its sessions in packages, all of them billed.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infra.postgres.migrate import OWNER, apply_migrations, configure_database
from operations.output import print_table, say
from operations.reconcile.comparison import Scope, compare, events_without_receipt
from operations.reconcile.report import reconciliation
from operations.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_DATABASE = "outbox_benchmark"
_DAYS = 30
_EVENTS_A_SESSION = 2
_SESSIONS_A_PACKAGE = 10

_DAYS_BEFORE = """
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


@click.command()
@click.option("--events", default=1_000_000, show_default=True, help="How many events.")
@click.option("--runs", default=3, show_default=True, help="How often each is measured.")
def main(events: int, runs: int) -> None:
    """Fill a database with billed events and reconcile all of it, a day and an hour of it."""
    with _database(load_settings().need("admin_database_url")) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            say(f"Writing {events} events of {_DAYS} days, their receipts and their bills …")
            _fill(connection, events // _EVENTS_A_SESSION)
        windows = {"everything": None, "24 hours": timedelta(days=1), "1 hour": timedelta(hours=1)}
        print_table(
            [_measured(url, name, window, runs) for name, window in windows.items()],
            ("window", "events", "bills", "verdict", "seconds_best", "seconds_worst"),
        )


@contextmanager
def _database(admin_url: str) -> Iterator[str]:
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


def _fill(connection: psycopg.Connection, sessions: int) -> None:
    connection.execute(_DAYS_BEFORE, {"days": _DAYS})
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
            "days": _DAYS,
            "package": _SESSIONS_A_PACKAGE,
        },
    )
    for statement in (_RECEIPTS, _PRICES, _ENTRIES, "VACUUM ANALYZE"):
        connection.execute(statement)


def _measured(
    url: str, name: str, window: timedelta | None, runs: int
) -> dict[str, float | int | str]:
    """As `outbox reconcile` does it, without the wait for Kafka."""
    since = None if window is None else datetime.now(UTC) - window
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        with psycopg.connect(url, autocommit=True) as connection:
            undelivered = events_without_receipt(connection, 10, since)
            found = reconciliation(
                compare(
                    connection,
                    Scope(judged={0: 1 << 60}, undelivered=sorted(undelivered), since=since),
                )
            )
        seconds.append(time.perf_counter() - began)
    return {
        "window": name,
        "events": found.events,
        "bills": found.expected,
        "verdict": found.verdict,
        "seconds_best": round(min(seconds), 2),
        "seconds_worst": round(max(seconds), 2),
    }


if __name__ == "__main__":
    main()
