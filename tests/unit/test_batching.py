"""How long after a batch the next one may begin."""

import pytest

from stream_processors.engine.batching import interval_seconds


def settled_seconds(records_per_second: float) -> float:
    """The interval that a steady rate comes to: what came in one makes the next."""
    seconds = 0.0
    for _ in range(100):
        seconds = interval_seconds(0.01, round(records_per_second * seconds) or 1)
    return seconds


@pytest.mark.parametrize("records_per_second", [1, 100, 500, 900])
def test_below_a_thousand_records_a_second_batches_begin_as_often_as_they_may(
    records_per_second: float,
) -> None:
    assert settled_seconds(records_per_second) == 0.01


@pytest.mark.parametrize("records_per_second", [1_500, 5_000, 100_000])
def test_above_that_they_share_the_costs_of_25_milliseconds(records_per_second: float) -> None:
    assert settled_seconds(records_per_second) == 0.025


def test_what_may_wait_longer_does() -> None:
    assert interval_seconds(0.5, 1) == interval_seconds(0.5, 1_000) == 0.5
