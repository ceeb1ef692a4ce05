"""Whether the cost grows with the sessions that are known: an empty stack beside a full one."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import psycopg

from benchmarks.side_by_side.runs import drain, steady
from benchmarks.side_by_side.stack import benchmark_stack
from benchmarks.side_by_side.systems import PIPELINE
from benchmarks.side_by_side.work import SINGLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from benchmarks.side_by_side.runs import Measured
    from benchmarks.side_by_side.stack import BenchmarkStack

_RATE, _SECONDS = 500.0, 20.0
# Fewer bytes of WAL than the slot may pin.
_CHUNK_EVENTS = 200_000


def compare_with_state(
    port_bases: tuple[int, int],
    sessions: int,
    events: int,
    pairs: int,
    report: Callable[[str], object],
) -> dict[str, object]:
    """Drain a backlog of `events` on either, in turn, `pairs` times, then bill at a steady rate.

    `sessions` are billed on the full one before. Returns the rows of `state`, the last of which has
    the median; those of `state_steady`; and `storage`: what a session takes on disk, in bytes.
    """
    with benchmark_stack(port_bases[0], 1) as empty, benchmark_stack(port_bases[1], 1) as full:
        for begin in range(0, sessions, _CHUNK_EVENTS):
            drain(full, min(_CHUNK_EVENTS, sessions - begin))
            report(f"{begin + _CHUNK_EVENTS:,} sessions of state")
        storage = _bytes_a_session(full, sessions)
        stacks = {"empty": empty, "full": full}
        # Only the state is to differ: Java has compiled everything on the full one by now.
        for stack in stacks.values():
            stack.restart()
            drain(stack, events)
        rows = []
        for number in range(pairs):
            drained = {name: drain(stacks[name], events) for name in _in_turn(stacks, number)}
            rows.append(_row(f"pair {number + 1}", drained["empty"], drained["full"]))
            report(str(rows[-1]))
        billed = [
            _steady_row(name, stacks[name])
            for number in range(2)
            for name in _in_turn(stacks, number)
        ]
    ratios = [float(str(row["full to empty"])) for row in rows]
    rows.append({"": "median", "full to empty": round(median(ratios), 3)})
    return {"state": rows, "state_steady": billed, "storage": storage}


def _in_turn(names: Iterable[str], number: int) -> list[str]:
    """Return them in their order, or the other way round, every other time."""
    ordered = list(names)
    return ordered if number % 2 == 0 else ordered[::-1]


def _bytes_a_session(stack: BenchmarkStack, sessions: int) -> dict[str, int]:
    with psycopg.connect(stack.address("admin_database_url")) as admin:
        [(database,)] = admin.execute("SELECT pg_database_size(current_database())").fetchall()
    folders = {"Kafka": stack.layout.kafka, "workers' state": stack.layout.state}
    return {
        "PostgreSQL": round(database / sessions),
        **{name: round(_size(folder) / sessions) for name, folder in folders.items()},
    }


def _size(folder: Path) -> int:
    # Allocated: Kafka's indexes are large and sparse.
    return sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())


def _row(name: str, empty: Measured, full: Measured) -> dict[str, object]:
    return {
        "": name,
        "empty, events/s": empty.events_per_second,
        "full, events/s": full.events_per_second,
        "full to empty": round(full.events_per_second / empty.events_per_second, 3),
        "empty, CPU s per 1,000 events": _cpu_seconds(empty),
        "full, CPU s per 1,000 events": _cpu_seconds(full),
    }


def _steady_row(name: str, stack: BenchmarkStack) -> dict[str, object]:
    with PIPELINE.running(stack) as running:
        measured = steady(running, name, SINGLES, _RATE, _SECONDS)
    return {
        "": name,
        "events/s": measured.events_per_second,
        "p50 ms": measured.latency.p50_ms,
        "p99 ms": measured.latency.p99_ms,
        "CPU s per 1,000 events": _cpu_seconds(measured),
    }


def _cpu_seconds(measured: Measured) -> float:
    return round(sum(measured.cpu_seconds.values()), 3)
