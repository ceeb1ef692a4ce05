"""A task takes no more of the time than its share, whatever it found."""

from pathlib import Path

import pytest

from operations.scheduler.timetable import Outcome
from tests.unit.timetables import ALARMING, FINE, World, after


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "state")


def carried_out(world: World) -> float:
    """How long a task rests after one run."""
    task = world.task()
    timetable = world.timetable(task)
    timetable.carry_out(task)
    return after(timetable, task)


def test_a_run_that_worked_for_long_is_followed_by_a_rest_that_keeps_to_the_share(
    world: World,
) -> None:
    world.works_seconds = 10
    assert carried_out(world) == 200


def test_a_quick_run_keeps_the_pace_of_its_task(world: World) -> None:
    world.works_seconds = 1
    assert carried_out(world) == 60


@pytest.mark.parametrize("outcome", [ALARMING, OSError("no database")])
def test_what_asks_for_another_run_keeps_to_the_share_too(
    world: World, outcome: Outcome | Exception
) -> None:
    world.outcome = outcome
    assert carried_out(world) == 10
    world.works_seconds = 10
    assert carried_out(world) == 200


@pytest.mark.parametrize("outcome", [FINE, ALARMING, OSError("no database")])
def test_what_a_run_only_waited_for_does_not_delay_the_next(
    world: World, outcome: Outcome | Exception
) -> None:
    world.outcome = outcome
    world.waits_seconds = 80
    assert carried_out(world) == (60 if outcome is FINE else 10)


def test_whatever_a_run_costs_and_finds_the_share_holds_in_the_long_run(world: World) -> None:
    task = world.task()
    timetable = world.timetable(task)
    began, worked = world.clock.now(), 0.0
    for seconds in range(1, 100):
        world.works_seconds = float(seconds * 7 % 31)
        world.outcome = (FINE, ALARMING, OSError("no database"))[seconds % 3]
        timetable.carry_out(task)
        worked += world.works_seconds
        world.clock.pass_by(after(timetable, task))
    assert worked <= 0.05 * (world.clock.now() - began)


def test_a_restart_does_not_cut_the_rest_short(world: World) -> None:
    world.works_seconds = 10
    carried_out(world)
    world.clock.pass_by(120)
    task = world.task()
    assert after(world.timetable(task), task) == 80


def test_a_restart_looks_at_once_at_what_was_alarming_whatever_that_cost(world: World) -> None:
    world.works_seconds, world.outcome = 10, ALARMING
    carried_out(world)
    task = world.task()
    assert after(world.timetable(task), task) == 15


def test_a_task_whose_rest_exceeds_its_limit_is_overdue_and_says_that_it_rests(
    world: World,
) -> None:
    world.works_seconds = 20
    task = world.task()
    timetable = world.timetable(task)
    timetable.carry_out(task)
    world.clock.pass_by(301)
    assert "it works for 20 s, and rests after that" in str(timetable.health()["faults"])
    world.clock.pass_by(100)
    assert "it is still under way" in str(timetable.health()["faults"])
