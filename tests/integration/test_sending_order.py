"""Whatever sends events for the first time by hand sends an aggregate's as they were committed."""

from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from operations import recovery
from operations.rebuild.missing_events import events_not_in_kafka
from operations.reconcile.repairing import events_to_send
from schemas.brokers import Brokers
from tests.integration.database_rows import InsertedEvent, complete, evaluate, void
from tests.integration.old_days import maintained, old_session
from tests.postgres_server import PostgresServer


@pytest.fixture
def url(postgres_server: PostgresServer, database: str) -> str:
    return postgres_server.url("outbox_owner", database)


@pytest.fixture
def reversed_inserts(url: str) -> list[InsertedEvent]:
    """Three events of a session in the order of their commits, which is not that of inserts."""
    with psycopg.connect(url) as slow, psycopg.connect(url) as quick:
        last = complete(slow, "session-1")
        first = evaluate(quick, "session-1")
        quick.commit()
        second = void(quick, "session-1", first)
        quick.commit()
        slow.commit()
    assert last.created_at < first.created_at < second.created_at
    return [first, second, last]


def recovered(url: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    sent: list[str] = []

    def collect(_: str, events: Iterable[Mapping[str, Any]], *__: object) -> int:
        sent.extend(event["id"] for event in events)
        return len(sent)

    monkeypatch.setattr(recovery, "send_events", collect)
    recovery.send_undelivered(url, "nowhere", print)
    return sent


def repaired(url: str, _: pytest.MonkeyPatch) -> list[str]:
    with psycopg.connect(url, autocommit=True) as connection:
        ids = connection.execute("SELECT id FROM recorded_events ORDER BY id").fetchall()
        return [event["id"] for event in events_to_send(connection, [each for (each,) in ids])]


def rebuilt(url: str, _: pytest.MonkeyPatch) -> list[str]:
    """From a topic that holds nothing."""
    empty = {("events.session", 0): 0}
    cluster: Any = SimpleNamespace(
        brokers=Brokers("nowhere"),
        positions=SimpleNamespace(begins=lambda _: empty, ends=lambda _: empty),
    )
    with (
        psycopg.connect(url) as connection,
        events_not_in_kafka(connection, cluster, lambda *_: None) as events,
    ):
        return [event["id"] for event in events]


WAYS = pytest.mark.parametrize("way", [recovered, repaired, rebuilt])
Way = Callable[[str, pytest.MonkeyPatch], list[str]]


@WAYS
def test_of_one_aggregate_what_was_committed_first_is_sent_first(
    url: str,
    reversed_inserts: list[InsertedEvent],
    way: Way,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert way(url, monkeypatch) == [str(event.id) for event in reversed_inserts]


@pytest.mark.parametrize("way", [repaired, rebuilt])
def test_what_has_left_for_the_archive_comes_before_what_has_not(
    url: str, admin: psycopg.Connection, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = old_session(admin, "session-1")
    new = evaluate(admin, "session-1")
    assert maintained(admin).dropped
    assert way(url, monkeypatch) == [str(old.id), str(new.id)]
