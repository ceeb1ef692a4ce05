"""A whole outage is waited out and is no exception; a record that takes too long is one."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from infra.postgres.migrate import OWNER
from stream_processors.ledger import database as database_module
from stream_processors.ledger.database import Database, Stopped
from tests.integration.ledger_writing import (
    NOON,
    Writer,
    add_price,
    conflict,
    ledger_writer_on,
    session_payable,
)
from tests.postgres_server import PostgresServer
from tests.waiting import wait_until


@pytest.fixture
def url(postgres_server: PostgresServer, database: str, owner: psycopg.Connection) -> str:
    add_price(owner)
    return postgres_server.url("outbox_ledger_writer", database)


@pytest.fixture
def writer(url: str, tmp_path: Path) -> Iterator[Writer]:
    with ledger_writer_on(url, tmp_path) as writer:
        yield writer


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer's time limits, scaled down."""
    options = "-c statement_timeout=2s -c lock_timeout=500ms"
    monkeypatch.setattr(database_module, "_OPTIONS", options)


def _in_background(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_a_link_that_goes_nowhere_is_noticed_within_20_s(url: str) -> None:
    """No link of one machine can be made to go nowhere: so the kernel is asked what it will do."""

    def limits(connection: psycopg.Connection) -> tuple[int, int]:
        with socket.socket(fileno=os.dup(connection.fileno())) as link:
            asked = [
                link.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            ]
            unanswered_ms = link.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        idle_seconds, interval_seconds, count = asked
        return idle_seconds + interval_seconds * count, unanswered_ms

    database = Database(url, "test", threading.Event())
    try:
        assert database.run(limits) == (20, 20_000)
    finally:
        database.close()


def test_a_connection_that_was_terminated_is_made_again(
    writer: Writer, admin: psycopg.Connection
) -> None:
    writer.post(session_payable("session-1"))
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'outbox ledger writer: test' AND datname = current_database()"
    )

    writer.post(session_payable("session-2"))
    writer.report(conflict())

    assert writer.paid_sessions() == ["session-1", "session-2"]
    assert [each["reason"] for each in writer.exceptions()] == ["session_conflict"]


def test_a_connection_terminated_in_mid_batch_posts_the_batch_once(
    writer: Writer, admin: psycopg.Connection, owner: psycopg.Connection
) -> None:
    with owner.transaction():
        owner.execute("LOCK mentor_payable_ledgers IN ACCESS EXCLUSIVE MODE")
        posting = _in_background(lambda: writer.post(*map(session_payable, "abc")))
        wait_until("it waits for the lock", lambda: _terminate_waiting(admin), bool)
    posting.join(20)

    assert not posting.is_alive()
    assert writer.paid_sessions() == ["a", "b", "c"]
    assert writer.exceptions() == []


def _terminate_waiting(admin: psycopg.Connection) -> bool:
    """Terminate whoever waits for a lock; return whether there was one."""
    terminated = admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND datname = current_database()"
    ).fetchall()
    return bool(terminated)


def test_a_server_that_takes_no_connections_is_waited_for(
    postgres_server: PostgresServer,
    database: str,
    writer: Writer,
    admin: psycopg.Connection,
) -> None:
    """As during a restart: whoever connects is told to go away, and the rest was cut off."""
    writer.post(session_payable("before"))
    with psycopg.connect(postgres_server.admin_url, autocommit=True) as server:
        server.execute(f"ALTER DATABASE {database} WITH ALLOW_CONNECTIONS false")
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'outbox ledger writer: test'"
        )
        posting = _in_background(lambda: writer.post(session_payable("during")))
        wait_until("it is cut off", lambda: not writer.database.reachable, bool)
        assert posting.is_alive()
        server.execute(f"ALTER DATABASE {database} WITH ALLOW_CONNECTIONS true")
    posting.join(20)

    assert not posting.is_alive()
    assert writer.paid_sessions() == ["before", "during"]
    assert writer.exceptions() == []


def test_a_server_that_is_down_is_waited_for_until_the_process_is_asked_to_end() -> None:
    with closing(socket.socket()) as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        stopping = threading.Event()
        database = Database(f"postgresql://nobody@127.0.0.1:{port}/outbox", "test", stopping)
        threading.Timer(0.5, stopping.set).start()

        with pytest.raises(Stopped):
            database.run(lambda connection: connection.execute("SELECT 1"))
        assert not database.reachable


@pytest.mark.usefixtures("impatient")
def test_a_bill_that_takes_too_long_is_a_timeout_and_the_rest_is_posted(
    writer: Writer, postgres_server: PostgresServer, database: str
) -> None:
    """Another transaction has the same entry in its hands, and does not end."""
    with psycopg.connect(postgres_server.url(OWNER, database)) as slow:
        slow.execute(
            "INSERT INTO mentor_payable_ledgers VALUES (%s, 'session', 'm', 'c', 's', 'session-1',"
            " NULL, 1, 'USD', %s, %s, gen_random_uuid())",
            [session_payable("session-1").ledger_id, NOON, NOON],
        )
        writer.post(session_payable("session-1"), session_payable("session-2"))
        slow.rollback()

    assert writer.paid_sessions() == ["session-2"]
    exception = writer.exception()
    assert (exception["reason"], exception["status"]) == ("timeout", "retrying")
    assert (exception["kind"], exception["subject"]) == ("session", "session-1")

    writer.make_due("timeout")
    writer.retry()
    assert writer.paid_sessions() == ["session-1", "session-2"]
    assert writer.exception()["status"] == "resolved"


@pytest.mark.usefixtures("impatient")
def test_a_statement_that_takes_too_long_is_a_timeout(
    writer: Writer, owner: psycopg.Connection
) -> None:
    owner.execute(
        """
        CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_sleep(5); RETURN NEW; END';
        CREATE TRIGGER dawdle BEFORE INSERT ON mentor_payable_ledgers
            FOR EACH ROW WHEN (NEW.session_id = 'slow') EXECUTE FUNCTION dawdle()
        """
    )

    writer.post(session_payable("slow"), session_payable("quick"))

    assert writer.paid_sessions() == ["quick"]
    assert writer.exception()["reason"] == "timeout"
    assert "statement timeout" in writer.exception()["last_error"]


def test_a_fault_that_is_in_no_record_is_raised_and_nothing_is_posted(
    writer: Writer, owner: psycopg.Connection
) -> None:
    """A missing right, say: an exception for each bill would only hide it."""
    owner.execute("REVOKE INSERT ON mentor_payable_ledgers FROM outbox_ledger_writer")

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        writer.post(session_payable())
    owner.execute("REVOKE INSERT ON billing_exceptions FROM outbox_ledger_writer")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        writer.report(conflict())
    owner.execute("GRANT INSERT ON mentor_payable_ledgers TO outbox_ledger_writer")
    owner.execute("GRANT INSERT ON billing_exceptions TO outbox_ledger_writer")

    assert writer.entries() == []
    assert writer.exceptions() == []
