"""The keeper's eye for events that do not reach Kafka, on a real database."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace

import psycopg
import pytest

from operations.keeper import delivery
from operations.keeper.delivery import Delivery
from operations.keeper.watch import BACKLOG_SECONDS, Faults
from tests.integration.database_rows import complete, deliver
from tests.postgres_server import PostgresServer

Look = Callable[[float], Faults]


@pytest.fixture
def look(
    postgres_server: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Look]:
    """Look as the stack's keeper does, at some second."""
    url = postgres_server.url("outbox_auditor", database)
    clock = SimpleNamespace()
    monkeypatch.setattr(delivery, "time", clock)
    with ExitStack() as connections:
        looking = Delivery(lambda: connections.enter_context(delivery.connect(url)))

        def look(at_seconds: float) -> Faults:
            clock.monotonic = lambda: at_seconds
            return looking.look()

        yield look


def test_an_event_is_told_from_ten_seconds_after_it_was_committed_until_its_receipt(
    look: Look, application: psycopg.Connection, owner: psycopg.Connection
) -> None:
    assert look(0) == {}
    event = complete(application, "session-1")
    assert look(2) == {}
    assert look(2 + BACKLOG_SECONDS - 1) == {}
    assert "not seen in Kafka yet: 1" in look(2 + BACKLOG_SECONDS)["delivery"]

    deliver(owner, event)

    assert look(20) == {}


def test_an_event_that_was_long_in_its_transaction_is_late_only_ten_seconds_after_the_commit(
    look: Look, application: psycopg.Connection
) -> None:
    with application.transaction():
        complete(application, "session-1")
        assert look(0) == {}

    assert look(100) == {}
    assert "delivery" in look(100 + BACKLOG_SECONDS)


def test_an_undelivered_event_stays_in_sight_below_many_newer_ones(
    look: Look,
    monkeypatch: pytest.MonkeyPatch,
    application: psycopg.Connection,
    owner: psycopg.Connection,
) -> None:
    monkeypatch.setattr(delivery, "EVENTS_MAX", 3)
    complete(application, "session-1")
    assert look(0) == {}
    for number in range(5):
        deliver(owner, complete(application, f"newer-{number}"))

    assert "yet: 1, the oldest for 30 s" in look(30)["delivery"]


def test_after_a_lost_connection_it_looks_again_and_knows_what_it_knew(
    look: Look, admin: psycopg.Connection, application: psycopg.Connection
) -> None:
    complete(application, "session-1")
    assert look(0) == {}
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'outbox_auditor'"
    )

    with pytest.raises(psycopg.OperationalError):
        look(2)
    assert "delivery" in look(BACKLOG_SECONDS)
