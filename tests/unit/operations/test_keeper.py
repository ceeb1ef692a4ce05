"""What the connector keeper takes for a fault, and which connectors it starts."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.apply import Overview, Site
from connectors.client import ConnectClient, ConnectorStatus, Task
from connectors.definition import load_definitions
from connectors.errors import ConnectorFailedError, ConnectUnreachableError
from connectors.position import Slot, Source
from operations.keeper import connectors
from operations.keeper.__main__ import health
from operations.keeper.connectors import (
    STOPPED_SECONDS,
    UNREAD_SECONDS,
    UNREAD_TOO_LONG_SECONDS,
    Keeper,
)

NAME = "outbox_events"


def seen(state: str, *, read: bool) -> Overview:
    slot = Slot(NAME, "pgoutput", read, 1, 1, "reserved", None, 1)
    task = Task(0, state, "worker", "")
    status = ConnectorStatus(state, "worker", "", (task,))
    return Overview("outbox-events", status, Source("outbox_events", "p", slot, None), 1, None)


@pytest.fixture(autouse=True)
def started_at(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the keeper started a connector."""
    moments: list[float] = []
    monkeypatch.setattr(connectors, "start", lambda _: moments.append(time.monotonic()))
    return moments


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


@pytest.fixture
def look(
    monkeypatch: pytest.MonkeyPatch, keeper: Keeper
) -> Callable[[Overview, float], dict[str, str]]:
    """Let a keeper look at a connector at a time; its faults after it."""
    with ConnectClient("http://127.0.0.1:1") as client:
        definition = load_definitions(Path("/secrets"))[0]
    site = Site(client, definition, "postgresql://")

    def look(overview: Overview, at_seconds: float) -> dict[str, str]:
        monkeypatch.setattr(connectors, "overview", lambda _: overview)
        monkeypatch.setattr(time, "monotonic", lambda: at_seconds)
        keeper._look_at(site)
        return keeper.faults

    return look


def test_a_connector_that_runs_and_reads_nothing_for_long_is_a_fault_until_it_reads_again(
    look: Callable[[Overview, float], dict[str, str]],
) -> None:
    assert look(seen("RUNNING", read=False), 100.0) == {}
    (fault,) = look(seen("RUNNING", read=False), 101 + UNREAD_SECONDS).values()
    assert "nobody has read its slot outbox_events" in fault
    assert look(seen("RUNNING", read=True), 110.0) == {}
    assert look(seen("RUNNING", read=False), 111.0) == {}, "it counts anew"


def test_a_paused_connector_rightly_reads_nothing(
    look: Callable[[Overview, float], dict[str, str]],
) -> None:
    assert look(seen("PAUSED", read=False), 100.0) == {}
    assert look(seen("PAUSED", read=False), 200.0) == {}


def test_a_failed_connector_is_started_at_the_first_look(
    look: Callable[[Overview, float], dict[str, str]], started_at: list[float]
) -> None:
    look(seen("FAILED", read=False), 100.0)
    assert started_at == [100.0]


def test_a_stopped_connector_is_started_once_it_is_so_for_longer_than_a_verb_takes(
    look: Callable[[Overview, float], dict[str, str]], started_at: list[float]
) -> None:
    look(seen("STOPPED", read=False), 100.0)
    look(seen("RUNNING", read=True), 101.0)
    look(seen("STOPPED", read=False), 102.0)
    look(seen("STOPPED", read=False), 101.9 + STOPPED_SECONDS)
    assert started_at == [], "the time counts anew after it ran"
    look(seen("STOPPED", read=False), 102.0 + STOPPED_SECONDS)
    assert started_at == [102.0 + STOPPED_SECONDS]


def test_a_running_connector_whose_slot_nobody_reads_is_started_again_after_a_while(
    look: Callable[[Overview, float], dict[str, str]], started_at: list[float]
) -> None:
    look(seen("RUNNING", read=False), 100.0)
    look(seen("RUNNING", read=False), 100.0 + UNREAD_TOO_LONG_SECONDS)
    assert started_at == []
    look(seen("RUNNING", read=False), 101.0 + UNREAD_TOO_LONG_SECONDS)
    assert started_at == [101.0 + UNREAD_TOO_LONG_SECONDS]
    look(seen("RUNNING", read=False), 102.0 + UNREAD_TOO_LONG_SECONDS)
    assert len(started_at) == 1, "it counts anew"


@pytest.mark.parametrize("state", ["PAUSED", "UNASSIGNED", "RESTARTING"])
def test_a_connector_in_any_other_state_is_not_started(
    look: Callable[[Overview, float], dict[str, str]], started_at: list[float], state: str
) -> None:
    look(seen(state, read=False), 100.0)
    look(seen(state, read=False), 100.0 + 2 * STOPPED_SECONDS)
    assert started_at == []


def test_it_tells_how_often_it_started_which_connector_and_when_last(
    look: Callable[[Overview, float], dict[str, str]], keeper: Keeper
) -> None:
    look(seen("RUNNING", read=True), 100.0)
    assert health(keeper, [])["restarts"] == {}
    began = time.time()
    for at_seconds in (101.0, 102.0):
        look(seen("FAILED", read=False), at_seconds)
    told = health(keeper, [])["restarts"]["outbox-events"]
    assert told["count"] == 2
    assert began <= told["last_at"] <= time.time()


def test_a_connector_that_it_could_not_start_is_not_told_as_started(
    look: Callable[[Overview, float], dict[str, str]],
    keeper: Keeper,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: Site) -> None:
        raise ConnectorFailedError("no password")

    monkeypatch.setattr(connectors, "start", refuse)
    assert "no password" in look(seen("FAILED", read=False), 100.0)["outbox-events"]
    assert health(keeper, [])["restarts"] == {}


def test_a_connector_that_connect_does_not_tell_of_is_not_called_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ConnectClient("http://127.0.0.1:1") as client:
        site = Site(client, load_definitions(Path("/secrets"))[0], "postgresql://")
    keeper = Keeper()
    monkeypatch.setattr(connectors, "overview", lambda _: seen("RUNNING", read=True))
    keeper._look_at(site)
    assert keeper.running == {"outbox-events": True}

    def silent(_: Site) -> Overview:
        raise ConnectUnreachableError("Kafka Connect does not answer")

    monkeypatch.setattr(connectors, "overview", silent)
    keeper._look_at(site)
    assert keeper.running == {"outbox-events": False}


@pytest.mark.parametrize("state", ["PAUSED", "STOPPED", "UNASSIGNED"])
def test_only_what_runs_is_called_running(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    with ConnectClient("http://127.0.0.1:1") as client:
        site = Site(client, load_definitions(Path("/secrets"))[0], "postgresql://")
    keeper = Keeper()
    monkeypatch.setattr(connectors, "overview", lambda _: seen(state, read=False))
    keeper._look_at(site)
    assert keeper.running == {"outbox-events": False}
