"""The doctor on a real PostgreSQL: each thing is broken, named, and mended as the line says."""

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest

from operations.doctor import database, source
from operations.doctor.finding import Finding, Level
from operations.doctor.guards import guards
from operations.doctor.rights import rights
from operations.ledger.sealing import seal
from tests.integration.database_rows import (
    complete,
    deliver,
    insert_entry,
    insert_exception,
)
from tests.integration.doctor_lines import Check, found
from tests.integration.reconciled import spoil
from tests.integration.test_database_partitions import _insert_at
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.as_migrated

CHECKS: list[Check] = [
    database.server_version,
    database.migrations,
    database.receipts,
    database.partitions_ahead,
    database.default_partition,
    database.exceptions,
    database.seals,
    rights,
    guards,
]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second look at an event that is late."""
    monkeypatch.setattr(database, "_SECOND_LOOK_SECONDS", 0.0)


@pytest.mark.parametrize("check", CHECKS)
def test_a_database_as_migrations_make_it_is_well(
    postgres_server: PostgresServer, database: str, check: Check
) -> None:
    url = postgres_server.url("outbox_owner", database)
    options = "-c default_transaction_read_only=on"
    with psycopg.connect(url, autocommit=True, options=options) as connection:
        assert found(check, connection).level is Level.OK


@pytest.mark.parametrize(
    ("number", "level", "words"),
    [
        (130_005, Level.FAULT, "PostgreSQL 13.5 is too old"),
        (140_000, Level.OK, "PostgreSQL 14.0"),
        (190_000, Level.WARNING, "newer than any"),
    ],
)
def test_a_server_of_an_untried_version_is_told(number: int, level: Level, words: str) -> None:
    server = SimpleNamespace(info=SimpleNamespace(server_version=number))
    finding = found(database.server_version, cast("psycopg.Connection", server))
    assert finding.level is level
    assert words in finding.finding


def test_a_migration_that_was_not_applied_is_named(admin: psycopg.Connection) -> None:
    admin.execute("DELETE FROM schema_migrations WHERE name = '0001_initial'")
    finding = found(database.migrations, admin)
    assert finding.level is Level.FAULT
    assert finding.finding == "not applied yet: 0001_initial"
    assert "`outbox up`" in str(finding.remedy)
    admin.execute("DROP TABLE schema_migrations")
    assert found(database.migrations, admin).finding == "not applied yet: 0001_initial"


def test_a_migration_that_was_edited_is_named(admin: psycopg.Connection) -> None:
    admin.execute("UPDATE schema_migrations SET checksum = 'another'")
    finding = found(database.migrations, admin)
    assert finding.level is Level.FAULT
    assert "0001_initial was edited" in finding.finding


@pytest.mark.usefixtures("quick")
def test_an_event_that_never_reached_kafka_is_a_fault_once_it_is_late(
    admin: psycopg.Connection,
) -> None:
    complete(admin, "s1")
    assert found(database.receipts, admin).level is Level.OK, "it is on its way"
    admin.execute(
        "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload, created_at) "
        "SELECT aggregate_type, aggregate_id, event_type, payload, "
        "clock_timestamp() - interval '20 seconds' FROM domain_events"
    )
    finding = found(database.receipts, admin)
    assert finding.level is Level.WARNING
    assert "1 events have not been seen in Kafka" in finding.finding
    admin.execute(
        "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload, created_at) "
        "SELECT aggregate_type, aggregate_id, event_type, payload, "
        "clock_timestamp() - interval '2 hours' FROM domain_events LIMIT 1"
    )
    finding = found(database.receipts, admin)
    assert finding.level is Level.FAULT
    assert "2 events have not been seen" in finding.finding
    assert "120 min" in finding.finding or "2 h" in finding.finding
    assert "`outbox connectors recover`" in str(finding.remedy)


def test_an_event_of_a_long_transaction_gets_the_time_to_arrive(
    admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    _insert_at_minutes_ago(admin, 5)

    def arrive(_: float) -> None:
        for row in admin.execute("SELECT id, created_at FROM undelivered_events").fetchall():
            deliver(admin, SimpleNamespace(id=row[0], created_at=row[1]))  # type: ignore[arg-type]

    monkeypatch.setattr(database.time, "sleep", arrive)
    assert found(database.receipts, admin).level is Level.OK


def _insert_at_minutes_ago(connection: psycopg.Connection, minutes: int) -> None:
    row = connection.execute(
        "SELECT clock_timestamp() - make_interval(mins => %s)", [minutes]
    ).fetchone()
    assert row is not None
    _insert_at(connection, row[0])


@pytest.mark.parametrize(
    ("kept_days", "level", "words"),
    [(0, Level.FAULT, "no partition for today"), (5, Level.WARNING, "for 5 days only")],
)
def test_partitions_that_run_out_are_told_before_they_do(
    admin: psycopg.Connection, kept_days: int, level: Level, words: str
) -> None:
    for day in range(kept_days, 21):
        row = admin.execute(
            "SELECT 'domain_events_' || to_char("
            "(clock_timestamp() AT TIME ZONE 'UTC')::date + %s, 'YYYYMMDD')",
            [day],
        ).fetchone()
        assert row is not None
        admin.execute(f"DROP TABLE IF EXISTS {row[0]}".encode())
    finding = found(database.partitions_ahead, admin)
    assert finding.level is level
    assert words in finding.finding
    assert "`outbox maintain`" in str(finding.remedy)


def test_a_table_that_only_bears_the_name_of_a_partition_is_none(
    admin: psycopg.Connection,
) -> None:
    row = admin.execute(
        "SELECT 'domain_events_' || to_char((clock_timestamp() AT TIME ZONE 'UTC')::date + 1, "
        "'YYYYMMDD')"
    ).fetchone()
    assert row is not None
    admin.execute(f"ALTER TABLE domain_events DETACH PARTITION {row[0]}")
    assert "no partition for tomorrow" in found(database.partitions_ahead, admin).finding


def test_events_in_the_default_partition_are_told_and_a_fault_while_more_come(
    admin: psycopg.Connection,
) -> None:
    _insert_at_minutes_ago(admin, 60 * 24 * 40)
    finding = found(database.default_partition, admin)
    assert finding.level is Level.WARNING
    assert "1 events lie in domain_events_default" in finding.finding
    row = admin.execute(
        "SELECT 'domain_events_' || to_char((clock_timestamp() AT TIME ZONE 'UTC'), 'YYYYMMDD')"
    ).fetchone()
    assert row is not None
    admin.execute(f"DROP TABLE {row[0]}")
    complete(admin, "s2")
    finding = found(database.default_partition, admin)
    assert finding.level is Level.FAULT
    assert "new ones still land there" in finding.finding


@pytest.mark.parametrize(
    ("changes", "level", "words", "command"),
    [
        ({}, Level.WARNING, "1 could not be billed", "list --status failed"),
        (
            {"first_failed_at": "2026-01-01T00:00:00Z"},
            Level.FAULT,
            "1 are open for more than 24 h",
            "list --older-than-24h",
        ),
        (
            {"status": "retrying", "next_attempt_at": "2026-01-01T00:00:00Z"},
            Level.FAULT,
            "1 retries are due for more than a minute",
            "outbox up",
        ),
    ],
)
def test_what_could_not_be_billed_is_told_by_how_long_it_waits(
    admin: psycopg.Connection, changes: dict[str, Any], level: Level, words: str, command: str
) -> None:
    insert_exception(admin, **changes)
    finding = found(database.exceptions, admin)
    assert finding.level is level
    assert words in finding.finding
    assert command in str(finding.remedy)


@pytest.mark.parametrize(
    ("hours", "level"), [(30, Level.OK), (40, Level.WARNING), (80, Level.FAULT)]
)
def test_entries_that_no_seal_covers_are_told_once_they_should_be(
    admin: psycopg.Connection, hours: int, level: Level
) -> None:
    entry = insert_entry(admin)
    spoil(
        admin,
        "mentor_payable_ledgers",
        "UPDATE mentor_payable_ledgers SET posted_at = now() - make_interval(hours => %s) "
        "WHERE id = %s",
        hours,
        entry,
    )
    finding = found(database.seals, admin)
    assert finding.level is level
    assert "ledger entries below no seal: 1" in finding.finding
    seal(admin)
    assert found(database.seals, admin).finding == "seals: 1; ledger entries below no seal: 0"


@pytest.fixture
def strangers_slot(admin: psycopg.Connection) -> Iterator[str]:
    """A slot that nobody reads, on a server that keeps little for it."""
    _keep_at_most(admin, "64MB")
    admin.execute("SELECT pg_create_logical_replication_slot('stranger', 'pgoutput')")
    yield "stranger"
    admin.execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
        "WHERE slot_name = 'stranger'"
    )
    _keep_at_most(admin, "1GB")


def _keep_at_most(connection: psycopg.Connection, size: str) -> None:
    """Set how much log the server keeps for a slot, and wait until it does so."""
    connection.execute(f"ALTER SYSTEM SET max_slot_wal_keep_size = '{size}'".encode())
    connection.execute("SELECT pg_reload_conf()")
    deadline = time.monotonic() + 30
    while connection.execute("SHOW max_slot_wal_keep_size").fetchone() != (size,):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _fill_log(connection: psycopg.Connection, mebibytes: int) -> None:
    # Only what is written is kept: this server of the tests does not wait for that otherwise.
    connection.execute("SET synchronous_commit = on")
    for _ in range(mebibytes):
        connection.execute("SELECT pg_logical_emit_message(true, 'ballast', repeat('x', 1048576))")


def test_a_slot_that_keeps_too_much_is_named_before_it_is_lost_and_can_be_dropped(
    admin: psycopg.Connection, strangers_slot: str
) -> None:
    def look() -> list[Finding]:
        return list(source.kept_wal(admin, "outbox_events"))

    assert [finding.level for finding in look()] == [Level.OK]
    _fill_log(admin, 40)
    (finding,) = look()
    assert finding.level is Level.WARNING
    assert f"slot {strangers_slot} keeps 4" in finding.finding
    assert "of the 64 MiB it may (reserved, not read)" in finding.finding
    _fill_log(admin, 15)
    (finding,) = look()
    assert finding.level is Level.FAULT
    statement = str(finding.remedy).rpartition(": ")[2]
    admin.execute(statement.encode())
    assert [finding.level for finding in look()] == [Level.OK]


def test_a_server_that_keeps_log_without_a_limit_is_a_warning(admin: psycopg.Connection) -> None:
    _keep_at_most(admin, "-1")
    try:
        (finding,) = source.kept_wal(admin, "outbox_events")
    finally:
        _keep_at_most(admin, "1GB")
    assert finding.level is Level.WARNING
    assert "max_slot_wal_keep_size is -1" in finding.finding
    assert "max_slot_wal_keep_size = '10GB'" in str(finding.remedy)
