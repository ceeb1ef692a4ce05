"""PostgreSQL fails while an application writes, and a standby is promoted.

One stack for all of it: each test makes its own standby of whoever is the primary.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, text

from infra.local.layout import Layout, project_directory
from operations.doctor.failover import failover
from operations.doctor.finding import Level
from producer_app.database import connect
from tests.running_stack import session_port_base
from tests.servers.database_server import SLOT, Server, wait_until_synchronized
from tests.servers.database_servers import DatabaseServers, database_servers
from tests.servers.failover_books import FailoverBooks
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(600)

PORTS_AFTER_THE_SESSIONS = 200
BEFORE = 100
AFTER = 100
# What a pipeline takes 30 ms for, and a standby's pause must hold back.
HELD_BACK_SECONDS = 3.0
SLOT_ROW = "SELECT synced, failover, active FROM pg_replication_slots WHERE slot_name = %s"


@pytest.fixture(scope="module")
def servers() -> Iterator[DatabaseServers]:
    """A stack whose PostgreSQL may fail."""
    base = session_port_base() + PORTS_AFTER_THE_SESSIONS
    home = Path(project_directory()) / f".outbox-test-failover-{base}"
    with database_servers(Layout(home, base)) as running:
        yield running


@pytest.fixture(scope="module")
def books(servers: DatabaseServers) -> FailoverBooks:
    """What was written to it, over all tests."""
    return FailoverBooks(servers)


@pytest.fixture(scope="module")
def standby(servers: DatabaseServers) -> Server:
    """A standby as the runbook sets it up: synchronous, and with the connector's slot."""
    standby = servers.standby("-c", "sync_replication_slots=on")
    wait_until_synchronized(servers.primary, standby)
    follow_synchronously(servers, standby)
    return standby


def follow_synchronously(servers: DatabaseServers, standby: Server) -> None:
    """Let no commit be acknowledged, and no event be sent to Kafka, before a standby has it."""
    servers.primary.configure(
        synchronized_standby_slots=standby.name, synchronous_standby_names=standby.name
    )
    wait_until(
        f"{standby.name} is synchronous",
        lambda: servers.primary.query(
            "SELECT sync_state FROM pg_stat_replication WHERE application_name = %s", standby.name
        ),
        is_so=lambda rows: rows == [("sync",)],
    )


def test_kafka_never_has_an_event_that_the_standby_has_not(
    books: FailoverBooks, standby: Server
) -> None:
    with books.reading_kafka() as deliveries:
        with standby.not_receiving():
            # Else the commit itself would wait for the standby.
            event_id = books.record_stranger("SET synchronous_commit = local")
            held_since = time.monotonic()
            while time.monotonic() - held_since < HELD_BACK_SECONDS:
                assert deliveries(event_id) == 0, "Kafka has what the standby has not"
                time.sleep(0.1)
        wait_until("the event comes", lambda: deliveries(event_id), is_so=bool)


def test_the_doctor_tells_a_standby_that_kafka_does_not_wait_for(
    servers: DatabaseServers, standby: Server
) -> None:
    with psycopg.connect(servers.stack.address("database_url"), autocommit=True) as owner:

        def seen(level: Level) -> str:
            (line,) = wait_until(
                f"the doctor's line is {level}",
                lambda: list(failover(owner, SLOT)),
                is_so=lambda lines: [each.level for each in lines] == [level],
            )
            return line.finding

        assert seen(Level.OK).endswith(f"Kafka waits for {standby.name}")
        servers.primary.configure(synchronized_standby_slots="")
        assert f"Kafka does not wait for the standby of slot {standby.name}" in seen(Level.WARNING)
        servers.primary.configure(synchronized_standby_slots=standby.name)
        assert seen(Level.OK)


def test_nothing_is_lost_and_nothing_billed_twice_where_the_slot_survives(
    servers: DatabaseServers, books: FailoverBooks, standby: Server
) -> None:
    pool = connect(servers.stack.address("app_database_url"))
    with books.writing():
        books.wait_for_more(BEFORE)
        books.note_ledger()
        assert port_of(pool) == servers.primary.port
        failed_at = time.monotonic()
        servers.fail_over(standby)
        promoted_at = time.monotonic()
        assert port_of(pool) == standby.port
        books.wait_for_more(AFTER)
        flows_at = time.monotonic()
    say(
        f"after the kill: promoted in {promoted_at - failed_at:.1f} s, bills in "
        f"{flows_at - failed_at:.1f} s"
    )
    books.assert_nothing_lost_nothing_twice()
    # It is the copied one, it is read, and our own guard trusts it.
    assert servers.primary.query(SLOT_ROW, SLOT) == [(True, True, True)]
    code, out, err = servers.outbox("connectors", "status")
    assert code == 0, out + err
    wait_until(
        "who reads PostgreSQL has found the new primary",
        lambda: {name for name, each in servers.stack.processes().items() if not each.healthy},
        is_so=lambda ill: ill == {"postgres"},  # which is no child of supervisord's here
    )


def test_where_the_slot_did_not_survive_nothing_flows_until_recover_and_nothing_is_lost(
    servers: DatabaseServers, books: FailoverBooks
) -> None:
    standby = servers.standby()
    follow_synchronously(servers, standby)
    with books.writing():
        books.wait_for_more(BEFORE)
        books.note_ledger()
        failed_at = time.monotonic()
        servers.fail_over(standby)
        loud = servers.wait_until_keeper_says("is gone")
        assert servers.primary.query(SLOT_ROW, SLOT) == [], "somebody made a slot, silently"
        repair_at = time.monotonic()
        code, out, err = servers.outbox("connectors", "recover", "--output", "json")
        assert code == 0, err
        repaired_at = time.monotonic()
        books.wait_for_more(AFTER)
    say(f"recover took {repaired_at - repair_at:.1f} s and sent {out}")
    books.note_loss(failed_at, repair_at, repaired_at, loud)
    books.assert_nothing_lost_nothing_twice()
    assert json.loads(out)[0]["sent_again"] > 0
    assert servers.primary.query(SLOT_ROW, SLOT) == [(False, True, True)]


def port_of(pool: Engine) -> int:
    """Return the port of the server that a connection of the application's pool leads to."""
    with pool.begin() as connection:
        return int(connection.execute(text("SELECT inet_server_port()")).scalar_one())


def say(line: str) -> None:
    """Tell what was measured, for docs/operations/failover.md; pytest shows it with -s."""
    sys.stderr.write(f"{line}\n")
