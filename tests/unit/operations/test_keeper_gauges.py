"""What the keeper tells Prometheus, and that it tells nothing that it does not know."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from operations.keeper import watch
from operations.keeper.books import Books, Figures
from operations.keeper.delivery import Delivery
from operations.keeper.gauges import NAMED_FAULTS, books_gauges, fault_gauges, pending_gauges
from operations.keeper.watch import BLIND_SECONDS, Watch
from operations.slots import Slot

FIGURES = Figures(
    exceptions={("price_missing", "failed"): 2},
    overdue=1,
    slots={
        "outbox_events": Slot(
            "outbox_events",
            active=True,
            wal_status="reserved",
            lag_bytes=3,
            retained_bytes=5,
            safe_bytes=7,
        ),
        "lost": Slot(
            "lost",
            active=False,
            wal_status="lost",
            lag_bytes=None,
            retained_bytes=None,
            safe_bytes=None,
        ),
    },
    default_rows={"domain_events_default": 0},
)


def told(gauges: Sequence[Any]) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for each in gauges
        for sample in each.samples
    }


def nobody_connects() -> Any:
    raise AssertionError


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(seconds=1_000.0)
    clock.monotonic = lambda: clock.seconds
    monkeypatch.setattr(watch, "time", clock)
    return clock


@pytest.mark.usefixtures("clock")
def test_before_the_first_look_nothing_is_known_of_what_waits() -> None:
    looking = Watch("postgres", dict)
    gauges = [
        *pending_gauges(Delivery(nobody_connects), looking),
        *books_gauges(Books(nobody_connects), looking),
    ]
    assert told(gauges) == {}


def test_figures_hold_until_the_keeper_is_blind(clock: SimpleNamespace) -> None:
    books = Books(nobody_connects)
    books.figures = FIGURES
    looking = Watch("postgres", dict)
    looking.look()
    clock.seconds += BLIND_SECONDS
    assert told(books_gauges(books, looking)) == {
        ("outbox_billing_exceptions", "price_missing", "failed"): 2,
        ("outbox_overdue_exceptions",): 1,
        ("outbox_slot_active", "outbox_events"): 1,
        ("outbox_slot_active", "lost"): 0,
        ("outbox_slot_retained_wal_bytes", "outbox_events"): 5,
        ("outbox_slot_safe_wal_bytes", "outbox_events"): 7,
        ("outbox_default_partition_rows", "domain_events_default"): 0,
    }
    clock.seconds += 1
    assert told(books_gauges(books, looking)) == {}


@pytest.mark.usefixtures("clock")
def test_what_waits_is_told_with_the_age_of_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    delivery = Delivery(nobody_connects)
    monkeypatch.setattr("operations.keeper.delivery.time", SimpleNamespace(monotonic=lambda: 30.0))
    delivery._remembered.note({UUID(int=1)}, 10.0)
    delivery._remembered.note({UUID(int=1), UUID(int=2)}, 20.0)
    looking = Watch("postgres", dict)
    looking.look()
    assert told(pending_gauges(delivery, looking)) == {
        ("outbox_pending_events",): 2,
        ("outbox_oldest_pending_seconds",): 20,
    }


def test_a_fault_that_is_gone_is_told_as_gone() -> None:
    gauges = told(fault_gauges({"outbox-events": True}, {"kafka": "it does not answer"}))
    names = {*NAMED_FAULTS, "outbox-events"}
    assert gauges == {
        ("outbox_connector_running", "outbox-events"): 1,
        **{("outbox_faults", name): float(name == "kafka") for name in names},
    }
