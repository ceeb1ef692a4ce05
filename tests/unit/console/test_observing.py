"""A look at everything never waits for a database that hangs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from operations.console import observing
from operations.console.observing import Observer

if TYPE_CHECKING:
    from operations.console.services import Services


class HangingServices:
    """Of which reading does not come back until it may."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()
        self.tries = 0

    @contextmanager
    def reading(self) -> Iterator[Any]:
        self.tries += 1
        self.may_go_on.wait(30)
        raise observing.UnreachableError("it was closed")
        yield


def test_a_database_that_hangs_is_told_and_not_asked_again_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(observing, "_FIGURES_SECONDS", 0.05)
    monkeypatch.setattr(observing, "_FRESH_SECONDS", 0.0)
    services = HangingServices()
    observer = Observer(cast("Services", services), list)
    for _ in range(2):
        last, _ = observer.looks()
        assert (last.figures, last.figures_fault) == (None, "PostgreSQL does not answer.")
    assert services.tries == 1
    services.may_go_on.set()
    last, _ = observer.looks()
    assert last.figures_fault == "it was closed"
