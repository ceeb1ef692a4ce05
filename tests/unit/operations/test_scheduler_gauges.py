"""What the scheduler tells Prometheus: a verdict as long as it holds, and never one that is not."""

from dataclasses import replace
from pathlib import Path

import pytest

from operations.scheduler.gauges import task_gauges
from operations.scheduler.timetable import Outcome, Timetable
from tests.unit.timetables import World

CLEAN = Outcome("clean", "all is well", fine=True, offenders={"missing": 0, "failed": 0})
MISSING = Outcome("discrepancy", "2 missing", fine=False, alarming=True, offenders={"missing": 2})
MAINTAINED = Outcome("done", "1 day dropped", fine=True)

VERDICT = ("outbox_reconciliation_clean", "reconcile")
OVERDUE = ("outbox_task_overdue", "reconcile")
SUCCESS = ("outbox_task_last_success_timestamp_seconds", "reconcile")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "state", outcome=CLEAN)


def told(timetable: Timetable) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for each in task_gauges(timetable.standings())
        for sample in each.samples
    }


def test_before_the_first_run_nothing_is_called_clean(world: World) -> None:
    assert told(world.timetable(world.task())) == {OVERDUE: 0}


def test_a_verdict_is_told_with_what_was_found_by_kind(world: World) -> None:
    task = world.task()
    timetable = world.timetable(task)
    timetable.carry_out(task)
    offenders = "outbox_reconciliation_offenders"
    found = told(timetable)
    assert found[VERDICT] == 1
    assert found[offenders, "reconcile", "missing"] == 0
    assert found[SUCCESS] == world.clock.wall()

    world.outcome = MISSING
    timetable.carry_out(task)
    assert told(timetable)[VERDICT] == 0
    assert told(timetable)[offenders, "reconcile", "missing"] == 2


def test_a_run_that_failed_takes_the_verdict_away_until_one_succeeds(world: World) -> None:
    task = world.task()
    timetable = world.timetable(task)
    timetable.carry_out(task)
    world.outcome = OSError("no database")
    timetable.carry_out(task)
    assert VERDICT not in told(timetable)
    world.outcome = CLEAN
    timetable.carry_out(task)
    assert told(timetable)[VERDICT] == 1


def test_a_verdict_of_an_earlier_process_holds_no_longer_than_its_limit(world: World) -> None:
    task = world.task()
    world.timetable(task).carry_out(task)
    world.clock.pass_by(task.limit_seconds)
    assert told(world.timetable(task))[VERDICT] == 1
    world.clock.pass_by(1)
    found = told(world.timetable(task))
    assert VERDICT not in found
    assert SUCCESS in found


def test_a_task_that_did_not_come_to_its_end_in_time_is_overdue(world: World) -> None:
    task = world.task()
    timetable = world.timetable(task)
    world.clock.pass_by(task.limit_seconds + 1)
    assert told(timetable)[OVERDUE] == 1
    timetable.carry_out(task)
    assert told(timetable)[OVERDUE] == 0


def test_maintaining_has_no_verdict(world: World) -> None:
    task = replace(world.task(), name="maintain")
    timetable = world.timetable(task)
    world.outcome = MAINTAINED
    timetable.carry_out(task)
    assert {name for name, *_ in told(timetable)} == {OVERDUE[0], SUCCESS[0]}
