"""A reconciliation that a person asks for: one at a time, and what became of it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import pytest

from operations.console import reconciler as module
from operations.console.periods import Period
from operations.console.reconciler import Reconciler
from operations.console.services import Services
from operations.failures import ProblemError
from operations.reconcile.comparison import Scope
from operations.reconcile.reconciling import Examination
from operations.reconcile.report import reconciliation
from operations.settings import Settings

DAY = Period(date(2026, 3, 1), date(2026, 3, 1))


class Connectionless(Services):
    """Services without a database: what would be written is noted by the test."""

    @contextmanager
    def acting(self) -> Iterator[Any]:
        yield None


class Examining:
    """A reconciliation that lasts until the test lets it go on."""

    def __init__(self) -> None:
        self.going_on = threading.Event()
        self.failure: Exception | None = None
        self.window: tuple[datetime | None, datetime | None] | None = None

    def __call__(self, _: Settings, window: tuple[datetime | None, datetime | None]) -> Examination:
        self.window = window
        assert self.going_on.wait(10)
        if self.failure is not None:
            raise self.failure
        return Examination(reconciliation([]), Scope(judged={}), None)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        module, "record_action", lambda _, **act: rows.append((act["action"], act["subject"]))
    )
    monkeypatch.setattr(
        module, "record_run", lambda _, task, actor, window, *__: rows.append((task, actor, window))
    )
    return rows


@pytest.fixture
def examining() -> Examining:
    return Examining()


@pytest.fixture
def asked(examining: Examining) -> Reconciler:
    addresses = Settings(database_url="postgresql://127.0.0.1:1/nothing")
    return Reconciler(Connectionless(addresses), examining)


def finish(asked: Reconciler, examining: Examining) -> None:
    examining.going_on.set()
    for thread in threading.enumerate():
        if thread.name == "reconciler":
            thread.join(10)
    assert asked.under_way is None


def test_a_run_is_recorded_when_it_begins_and_when_it_has_come_to_a_verdict(
    asked: Reconciler, examining: Examining, written: list[tuple[Any, ...]]
) -> None:
    asked.begin(DAY, "Dana")
    assert asked.under_way is not None
    assert (asked.under_way.period, asked.under_way.actor) == (DAY, "Dana")
    assert written == [("reconcile.run", "2026-03-01")]
    finish(asked, examining)
    window = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))
    assert examining.window == window
    assert written[1:] == [("asked", "Dana", window)]
    assert asked.failed is None


def test_a_second_one_is_refused_while_one_is_under_way(
    asked: Reconciler, examining: Examining, written: list[tuple[Any, ...]]
) -> None:
    asked.begin(DAY, "Dana")
    with pytest.raises(ProblemError, match="Dana asked for a reconciliation of 2026-03-01"):
        asked.begin(Period(), "Robin")
    assert len(written) == 1
    finish(asked, examining)
    asked.begin(Period(), "Robin")
    finish(asked, examining)
    assert [row[1] for row in written if row[0] == "asked"] == ["Dana", "Robin"]


def test_one_that_fails_is_told_until_the_next_begins_and_records_no_verdict(
    asked: Reconciler, examining: Examining, written: list[tuple[Any, ...]]
) -> None:
    examining.failure = ProblemError("Kafka is away")
    asked.begin(DAY, "Dana")
    finish(asked, examining)
    assert asked.failed is not None
    assert (asked.failed.actor, asked.failed.failure) == ("Dana", "Kafka is away")
    assert written == [("reconcile.run", "2026-03-01")]
    examining.failure = None
    asked.begin(DAY, "Robin")
    assert asked.failed is None
    finish(asked, examining)


def test_one_that_cannot_be_recorded_as_asked_for_does_not_begin(
    asked: Reconciler, examining: Examining, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("read-only")

    monkeypatch.setattr(module, "record_action", refuse)
    with pytest.raises(OSError, match="read-only"):
        asked.begin(DAY, "Dana")
    assert (asked.under_way, examining.window) == (None, None)
