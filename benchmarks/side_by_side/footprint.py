"""What the stack costs before anything happens: its start, its memory, its idling."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.side_by_side.resources import cpu_seconds
from connectors.definition import PACES
from infra.local.stack import take_down
from operations.demo.footprint import stack_memory_mib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.side_by_side.stack import BenchmarkStack

_STARTS = 3
_SETTLE_SECONDS = 15.0
_IDLE_SECONDS = 60.0


def footprint(stack: BenchmarkStack) -> dict[str, object]:
    """Return the seconds of a warm `outbox up`, MiB of memory, and % of a core by pace."""
    return {
        "outbox up, warm, seconds (median)": _warm_start_seconds(stack),
        **{f"idle, pace {pace}, % of a core": _idle_percent(stack, pace) for pace in PACES},
        "memory, idle, MiB": stack_memory_mib(stack.layout),
    }


def _warm_start_seconds(stack: BenchmarkStack) -> float:
    taken = []
    for _ in range(_STARTS):
        take_down(stack.layout)
        begun_at = time.monotonic()
        stack.everything()
        taken.append(time.monotonic() - begun_at)
    return round(median(taken), 1)


def _idle_percent(stack: BenchmarkStack, pace: str) -> float:
    with _pace(pace):
        stack.everything()
        time.sleep(_SETTLE_SECONDS)
        processes = stack.processes()
        before = sum(cpu_seconds(processes).values())
        time.sleep(_IDLE_SECONDS)
        spent = sum(cpu_seconds(processes).values()) - before
        return round(spent / _IDLE_SECONDS * 100, 1)


@contextmanager
def _pace(pace: str) -> Iterator[None]:
    earlier = os.environ.get("OUTBOX_PACE")
    os.environ["OUTBOX_PACE"] = pace
    try:
        yield
    finally:
        os.environ["OUTBOX_PACE"] = earlier or ""
