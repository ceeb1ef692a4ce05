"""What the doctor tells of a failover, on a primary. With a standby: tests/system."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.rows import tuple_row

from infra.postgres.migrate import SLOT, ensure_slot
from operations.doctor.failover import Standing, failover, judged
from operations.doctor.finding import Finding, Level
from tests.postgres_server import PostgresServer, running_older_postgres
from tests.waiting import wait_until

STANDBY = "standby_of_the_test"


@pytest.fixture
def server(postgres_server: PostgresServer) -> Iterator[psycopg.Connection]:
    """The server as superuser; without slots, and waiting for nobody, before and afterwards."""
    with psycopg.connect(
        postgres_server.admin_url, autocommit=True, row_factory=tuple_row
    ) as connection:
        yield connection
        connection.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
            "WHERE slot_name = ANY(%s)",
            [[SLOT, STANDBY]],
        )
        wait_for_standbys(connection, "")


def wait_for_standbys(connection: psycopg.Connection, names: str) -> None:
    """Set whom Kafka waits for, and wait until the server has heard of it."""
    connection.execute(f"ALTER SYSTEM SET synchronized_standby_slots = '{names}'".encode())
    connection.execute("SELECT pg_reload_conf()")
    wait_until_heard(connection, names)


def wait_until_heard(connection: psycopg.Connection, names: str) -> None:
    wait_until(
        f"the server waits for {names!r}",
        lambda: connection.execute("SHOW synchronized_standby_slots").fetchone(),
        is_so=lambda row: row == (names,),
    )


def line(connection: psycopg.Connection) -> Finding:
    (finding,) = failover(connection, SLOT)
    return finding


def test_without_a_slot_another_line_says_so(server: psycopg.Connection) -> None:
    assert list(failover(server, SLOT)) == []


def test_a_slot_as_the_stack_makes_it_would_follow_to_a_standby(
    postgres_server: PostgresServer, database: str, server: psycopg.Connection
) -> None:
    ensure_slot(postgres_server.admin_url, database)
    assert line(server).level is Level.OK


def test_a_slot_that_follows_nowhere_is_a_warning(server: psycopg.Connection) -> None:
    server.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [SLOT])
    finding = line(server)
    assert finding.level is Level.WARNING
    assert f"ALTER_REPLICATION_SLOT {SLOT} (FAILOVER true)" in str(finding.remedy)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_standby_that_is_waited_for_in_vain_is_a_fault_and_the_line_mends_it(
    postgres_server: PostgresServer, database: str, server: psycopg.Connection, *, is_there: bool
) -> None:
    ensure_slot(postgres_server.admin_url, database)
    if is_there:
        server.execute("SELECT pg_create_physical_replication_slot(%s, true)", [STANDBY])
    wait_for_standbys(server, STANDBY)
    finding = line(server)
    assert finding.level is Level.FAULT
    assert f"names {STANDBY}, which no standby reads" in finding.finding
    _, _, statements = str(finding.remedy).partition(": ")
    for statement in statements.split(";")[:2]:
        server.execute(statement.encode())
    wait_until_heard(server, "")
    assert line(server).level is Level.OK


def test_a_standby_that_nobody_waits_for_is_a_warning() -> None:
    standing = Standing(180_004, True, ["standby_1", "standby_2"], [], [])  # noqa: FBT003 - as read
    (finding,) = judged(standing, SLOT)
    assert finding.level is Level.WARNING
    assert "synchronized_standby_slots = 'standby_1, standby_2'" in str(finding.remedy)


def test_a_server_that_copies_no_slots_is_told_and_is_no_fault(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with (
        running_older_postgres(tmp_path_factory.mktemp("older")) as older,
        psycopg.connect(older.admin_url, autocommit=True) as connection,
    ):
        connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [SLOT])
        finding = line(connection)
    assert finding.level is Level.OK
    assert "PostgreSQL 16 copies no slot" in finding.finding
