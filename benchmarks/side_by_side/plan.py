"""Which system is put through which work."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from benchmarks.side_by_side.disk import DiskWatch
from benchmarks.side_by_side.runs import backlog, burst, median_of, steady
from benchmarks.side_by_side.systems import PIPELINE, POLLING_30
from benchmarks.side_by_side.work import MIX, SINGLES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.side_by_side.runs import Measured
    from benchmarks.side_by_side.stack import BenchmarkStack
    from benchmarks.side_by_side.systems import Pipeline, Running, System

BURST_SESSIONS = 1_000
BACKLOG_EVENTS = 200_000
# A noisy machine makes a second's work long or short, and one stall of the disk is a run's p99.
_BURSTS, _STEADY_TIMES = 5, 3
_RATES = (100.0, 500.0, 1000.0)
_MIX_RATE = 500.0
_SECONDS = 30.0
_POLLING_SECONDS = 90.0
PATIENCE_SECONDS = 300.0
WARM_RATE, WARM_SECONDS = 500.0, 90.0


@dataclass(frozen=True, slots=True)
class PlannedWork:
    """A run of some system, which is done some odd number of `times`."""

    name: str
    run: Callable[[BenchmarkStack, Running], Measured]
    times: int = 1

    def carry_out(self, stack: BenchmarkStack, running: Running) -> Measured:
        """Return the run of the median p99."""
        measured = []
        for _ in range(self.times):
            with DiskWatch(stack.layout.home) as disk:
                once = self.run(stack, running)
            measured.append(replace(once, fsync=disk.fsync()))
        return median_of(measured)


def works_of(system: System | Pipeline) -> Sequence[PlannedWork]:
    """Return what makes sense: only a connector can be away while a backlog grows."""
    if system is POLLING_30:
        # It polls three times in that time.
        return [_at_once(1), _steady(SINGLES, 100.0, _POLLING_SECONDS)]
    times = _STEADY_TIMES if system is PIPELINE else 1
    works = [
        _at_once(_BURSTS),
        *(_steady(SINGLES, rate, _SECONDS, times) for rate in _RATES),
        _steady(MIX, _MIX_RATE, _SECONDS, times),
    ]
    return [*works, _backlog()] if system is PIPELINE else works


def warm_up(stack: BenchmarkStack) -> None:
    """Let Java compile what the pipeline is going to need; nothing else here has to get warm."""
    with PIPELINE.running(stack) as running:
        steady(running, "warm-up", SINGLES, WARM_RATE, WARM_SECONDS)


def _at_once(times: int) -> PlannedWork:
    name = f"{BURST_SESSIONS} at once"
    return PlannedWork(
        name, lambda _, running: burst(running, name, BURST_SESSIONS, PATIENCE_SECONDS), times
    )


def _steady(kind: str, rate: float, seconds: float, times: int = 1) -> PlannedWork:
    name = f"{kind}, {rate:.0f}/s"
    return PlannedWork(name, lambda _, running: steady(running, name, kind, rate, seconds), times)


def _backlog() -> PlannedWork:
    name = f"backlog of {BACKLOG_EVENTS:,}"
    return PlannedWork(
        name,
        lambda stack, running: backlog(stack, running, name, BACKLOG_EVENTS, PATIENCE_SECONDS),
    )
