import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from stream_processors.ledger.database import Database
from stream_processors.ledger.retries import RetryLoop
from tests.integration.ledger_writing import Writer, add_price, session_payable
from tests.postgres_server import PostgresServer
from tests.waiting import wait_until


@pytest.fixture
def faults() -> list[BaseException]:
    return []


@pytest.fixture
def loop(writer: Writer, faults: list[BaseException]) -> Iterator[RetryLoop]:
    loop = RetryLoop(writer.database, writer.stopping, lambda _, fault: faults.append(fault))
    yield loop
    writer.stopping.set()
    if loop.ident is not None:
        loop.join(10)
        assert not loop.is_alive()


def test_what_is_due_is_tried_within_half_a_second(
    writer: Writer, owner: psycopg.Connection, loop: RetryLoop, faults: list[BaseException]
) -> None:
    sessions = ["session-1", "session-2", "session-3"]
    writer.post(*map(session_payable, sessions))
    add_price(owner)
    owner.execute("UPDATE billing_exceptions SET next_attempt_at = now() + interval '10 s'")
    loop.start()
    time.sleep(0.6)
    statuses = [exception["status"] for exception in writer.exceptions()]
    assert statuses == ["retrying"] * 3, "they were tried before their time"

    waits_seconds = [_seconds_until_paid(writer, owner, session) for session in sessions]

    # The quickest: what else runs on the machine is none of the loop's doing.
    assert min(waits_seconds) < 1
    assert [exception["status"] for exception in writer.exceptions()] == ["resolved"] * 3
    assert writer.paid_sessions() == sessions
    assert faults == []


def _seconds_until_paid(writer: Writer, owner: psycopg.Connection, session: str) -> float:
    """Let the time of one bill's next attempt come, and wait for it."""
    owner.execute(
        "UPDATE billing_exceptions SET next_attempt_at = clock_timestamp() WHERE subject = %s",
        [session],
    )
    started = time.monotonic()
    wait_until(f"{session} is paid", writer.paid_sessions, lambda paid: session in paid)
    return time.monotonic() - started


def test_one_that_another_writer_has_in_hand_is_left_to_it(
    writer: Writer, postgres_server: PostgresServer, database: str
) -> None:
    writer.post(session_payable())
    writer.make_due()
    url = postgres_server.url("outbox_ledger_writer", database)
    with psycopg.connect(url) as other:
        other.execute("SELECT FROM billing_exceptions FOR UPDATE")
        assert writer.retry() == 0

    assert writer.retry() == 1


def test_a_fault_in_no_record_is_told(
    owner: psycopg.Connection, loop: RetryLoop, faults: list[BaseException]
) -> None:
    owner.execute("REVOKE UPDATE ON billing_exceptions FROM outbox_ledger_writer")
    loop.start()
    wait_until("the fault is told", lambda: faults, bool)

    assert isinstance(faults[0], psycopg.errors.InsufficientPrivilege)


def test_it_ends_while_it_waits_for_the_database(faults: list[BaseException]) -> None:
    stopping = threading.Event()
    nowhere = Database("postgresql://nobody@127.0.0.1:9/outbox", "test", stopping)
    loop = RetryLoop(nowhere, stopping, lambda _, fault: faults.append(fault))
    loop.start()
    time.sleep(0.6)
    assert loop.is_alive()
    stopping.set()
    loop.join(10)

    assert not loop.is_alive()
    assert faults == []


def test_a_retry_does_not_wait_an_hour_because_the_clock_of_the_server_was_set_back(
    writer: Writer, owner: psycopg.Connection
) -> None:
    writer.post(session_payable())
    add_price(owner)
    owner.execute("UPDATE billing_exceptions SET next_attempt_at = next_attempt_at + '1 hour'")

    assert writer.retry() == 1
    assert writer.exception()["status"] == "resolved"
