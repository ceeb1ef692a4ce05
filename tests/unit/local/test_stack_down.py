"""What is said of a stack that does not run; nothing is started here."""

from pathlib import Path

import pytest

from infra.local import stack
from infra.local.environment import require_environment
from infra.local.errors import DiskFullError, StackError
from infra.local.layout import Layout
from infra.local.stack import bring_up, take_down
from infra.local.status import process_statuses


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "home", 30400)


def test_a_stack_that_never_ran_has_every_process_stopped(layout: Layout) -> None:
    statuses = process_statuses(layout)
    names = [
        *("postgres", "kafka", "connect"),
        *("worker-1", "ledger-writer", "connector-keeper", "scheduler", "console"),
    ]
    assert [status.name for status in statuses] == names
    assert {(status.pid, status.state, status.healthy) for status in statuses} == {
        (None, "stopped", False)
    }
    assert not layout.home.exists()


def test_stopping_what_never_ran_stops_nothing(layout: Layout) -> None:
    assert take_down(layout) == []
    assert not layout.home.exists()


def test_how_to_reach_a_stack_is_unknown_before_it_was_started(layout: Layout) -> None:
    with pytest.raises(StackError, match="Start it with `outbox up`"):
        require_environment(layout)


def test_too_little_room_is_an_error_before_anything_starts(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "FREE_BYTES_NEEDED", 1 << 60)
    monkeypatch.setattr(stack, "ensure_jars", lambda: pytest.fail("jars were downloaded"))
    with pytest.raises(DiskFullError, match="set OUTBOX_HOME to a folder on another disk"):
        bring_up(layout)
    assert take_down(layout) == []


@pytest.mark.parametrize("workers", [0, 41])
def test_a_number_of_workers_out_of_bounds_is_refused(layout: Layout, workers: int) -> None:
    with pytest.raises(StackError, match="choose from 1 to 40"):
        bring_up(layout, workers)


def test_purging_deletes_all_data(layout: Layout) -> None:
    (layout.home / "kafka").mkdir(parents=True)
    take_down(layout, purge=True)
    assert not layout.home.exists()
