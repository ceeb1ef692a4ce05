"""When a rate counts as sustained."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.side_by_side.knee import is_sustained
from benchmarks.side_by_side.quantiles import Quantiles

SUSTAINED: Any = SimpleNamespace(
    unbilled=0,
    inserted_per_second=995.0,
    thirds_p50_ms=(40.0, 45.0, 42.0),
    latency=Quantiles.of([50.0]),
)


def with_(**changed: object) -> Any:
    return SimpleNamespace(**{**vars(SUSTAINED), **changed})


def test_a_rate_is_sustained_when_all_is_billed_in_time_and_the_last_wait_no_longer() -> None:
    assert is_sustained(1000, SUSTAINED)


@pytest.mark.parametrize(
    "changed",
    [
        {"unbilled": 1},
        {"inserted_per_second": 970.0},
        {"thirds_p50_ms": (40.0, 100.0, 140.0)},
        {"latency": Quantiles.of([1_001.0])},
    ],
)
def test_a_rate_is_not_sustained_where_one_of_these_is_wrong(changed: dict[str, object]) -> None:
    assert not is_sustained(1000, with_(**changed))


def test_quantiles_are_of_the_values_that_were_measured() -> None:
    of_a_hundred = Quantiles.of([float(value) for value in range(100, 0, -1)])

    assert of_a_hundred == Quantiles(100, 50.5, 50.0, 95.0, 99.0, 100.0)
    assert Quantiles.of([]) == replace(
        of_a_hundred, count=0, mean_ms=0, p50_ms=0, p95_ms=0, p99_ms=0, max_ms=0
    )
