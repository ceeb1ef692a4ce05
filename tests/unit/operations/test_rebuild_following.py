"""Waiting for processors as long as they get on with it."""

import pytest

from operations.failures import ProblemError
from operations.rebuild.following import follow
from operations.reconcile.stages import sessions_stage
from tests.unit.test_reconcile_stages import EVENTS, GROUP, MovingPositions

STAGE = sessions_stage(GROUP)


def test_it_waits_until_the_stage_has_passed_where_its_topic_ended_and_says_how_far_it_is() -> None:
    positions = MovingPositions({(EVENTS, 0): 3, (EVENTS, 1): 2}, {(EVENTS, 1): 5})
    told: list[tuple[str, int, int]] = []

    def step(_: float) -> None:
        positions.read[EVENTS, 0] = positions.read.get((EVENTS, 0), 0) + 1
        # What comes meanwhile is not waited for.
        positions.end[EVENTS, 0] += 1

    follow(positions, STAGE, lambda *far: told.append(far), clock=lambda: 0, sleep=step)

    assert told == [(STAGE.name, done, 5) for done in (2, 3, 4, 5)]


def test_a_stage_that_stands_still_is_given_up_and_named() -> None:
    positions = MovingPositions({(EVENTS, 0): 3}, {(EVENTS, 0): 1})
    now = [0.0]

    def step(_: float) -> None:
        now[0] += 1

    with pytest.raises(ProblemError, match=r"outbox-billing\) is 2 records behind .* 120 s"):
        follow(positions, STAGE, lambda *_: None, clock=lambda: now[0], sleep=step)


def test_a_stage_that_is_slow_is_waited_for() -> None:
    positions = MovingPositions({(EVENTS, 0): 50}, {})
    now = [0.0]

    def step(_: float) -> None:
        now[0] += 59
        positions.read[EVENTS, 0] = positions.read.get((EVENTS, 0), 0) + 1

    follow(positions, STAGE, lambda *_: None, clock=lambda: now[0], sleep=step)

    assert now[0] == 50 * 59
