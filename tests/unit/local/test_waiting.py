import itertools
import threading
from pathlib import Path

import pytest

from infra.local import waiting
from infra.local.errors import ProcessFailedError
from infra.local.layout import Layout
from infra.local.supervision import Supervised, Supervisor
from infra.local.waiting import Waiter


class FakeSupervisor(Supervisor):
    """Says of one process that it was started anew each time it is asked, or once."""

    def __init__(self, *, dies: bool) -> None:
        self._starts = itertools.count() if dies else itertools.repeat(0)

    def processes(self) -> list[Supervised]:
        return [Supervised("kafka", "backoff", None, next(self._starts))]


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0)
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.001)
    layout = Layout(tmp_path, 30000)
    layout.logs.mkdir()
    layout.log("kafka").write_text("first line\nOut of memory\n")
    return layout


def test_a_healthy_process_is_waited_for(layout: Layout) -> None:
    answers = iter([False, False, True])
    Waiter(layout, FakeSupervisor(dies=False)).until_healthy("kafka", lambda: next(answers))
    assert next(answers, None) is None


def test_a_process_that_dies_again_and_again_is_given_up_with_its_log(layout: Layout) -> None:
    with pytest.raises(ProcessFailedError, match="died 3 times") as caught:
        Waiter(layout, FakeSupervisor(dies=True)).until_healthy("kafka", lambda: False)
    assert str(caught.value).endswith("Out of memory")
    assert str(layout.log("kafka")) in str(caught.value)


def test_a_process_that_never_becomes_healthy_is_given_up(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "HEALTHY_SECONDS", 0.01)
    with pytest.raises(ProcessFailedError, match="did not become healthy"):
        Waiter(layout, FakeSupervisor(dies=False)).until_healthy("kafka", lambda: False)


def test_an_interrupted_start_ends_every_wait(layout: Layout) -> None:
    waiter = Waiter(layout, FakeSupervisor(dies=False))
    threading.Timer(0.05, waiter.cancel).start()
    with pytest.raises(ProcessFailedError, match="was given up"):
        waiter.until_healthy("kafka", lambda: False)
