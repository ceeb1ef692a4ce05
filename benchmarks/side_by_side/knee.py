"""How many events a second, each its own transaction, can be sustained, and where that ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.side_by_side.runs import steady
from benchmarks.side_by_side.work import SINGLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.side_by_side.runs import Measured
    from benchmarks.side_by_side.systems import Running

_FIRST, _STEP, _LAST = 1_000, 250, 4_000
_FIRST_SECONDS, _SECONDS = 60.0, 20.0
_RATE_SHARE = 0.98
# Beyond the knee a queue stands for seconds, even where it does not grow.
_P99_MS_MAX = 1_000.0
_GROWTH_MAX = 2.0
_GROWTH_MS = 50.0


def climb(running: Running) -> Iterator[tuple[float, Measured]]:
    """Yield runs at higher and higher rates, up to the first that is not sustained."""
    for rate in range(_FIRST, _LAST + 1, _STEP):
        seconds = _FIRST_SECONDS if rate == _FIRST else _SECONDS
        measured = steady(running, f"{SINGLES}, {rate}/s", SINGLES, rate, seconds)
        yield rate, measured
        if not is_sustained(rate, measured):
            return


def is_sustained(rate: float, measured: Measured) -> bool:
    """Tell whether all was sent and billed at the rate, soon, and no later at the end."""
    first, _, last = measured.thirds_p50_ms
    return (
        measured.unbilled == 0
        and measured.inserted_per_second >= _RATE_SHARE * rate
        and measured.latency.p99_ms <= _P99_MS_MAX
        and last <= _GROWTH_MAX * first + _GROWTH_MS
    )
