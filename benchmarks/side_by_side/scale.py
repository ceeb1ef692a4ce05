"""How the throughput grows with the number of workers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.side_by_side.runs import drain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.side_by_side.stack import BenchmarkStack

# There and back, so that what gets warmer, or slower, does so for both.
_WORKERS = (1, 2, 2, 1)


def by_workers(stack: BenchmarkStack, events: int) -> Iterator[dict[str, object]]:
    """Yield for each number of workers what a backlog of `events` took: CPU s per 1,000 events."""
    drain(replace(stack, workers=max(_WORKERS)), events)
    for workers in _WORKERS:
        measured = drain(replace(stack, workers=workers), events)
        yield {
            "workers": workers,
            "events per second": measured.events_per_second,
            **{f"CPU of {name}": seconds for name, seconds in measured.cpu_seconds.items()},
        }
