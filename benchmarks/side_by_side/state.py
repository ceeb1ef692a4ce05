"""Whether the cost grows with the sessions that are known: an empty stack beside a full one."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import psycopg

from benchmarks.side_by_side.runs import drain
from benchmarks.side_by_side.stack import benchmark_stack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.side_by_side.stack import BenchmarkStack

# Fewer bytes of WAL than the slot may pin.
_CHUNK_EVENTS = 200_000


def compare_with_state(
    port_bases: tuple[int, int],
    sessions: int,
    events: int,
    pairs: int,
    report: Callable[[str], object],
) -> dict[str, object]:
    """Drain a backlog of `events` on either, in turn, `pairs` times, in events a second.

    `sessions` are billed on the full one before. Returns the rows of `state`, the last of which has
    the median, and `storage`: what a session takes on disk, in bytes.
    """
    with benchmark_stack(port_bases[0], 1) as empty, benchmark_stack(port_bases[1], 1) as full:
        for begin in range(0, sessions, _CHUNK_EVENTS):
            drain(full, min(_CHUNK_EVENTS, sessions - begin))
            report(f"{begin + _CHUNK_EVENTS:,} sessions of state")
        storage = _bytes_a_session(full, sessions)
        # The other one is to be as warm.
        drain(empty, events)
        rows = []
        for number in range(pairs):
            order = (empty, full) if number % 2 == 0 else (full, empty)
            rates = {stack: drain(stack, events).events_per_second for stack in order}
            rows.append(_row(f"pair {number + 1}", rates[empty], rates[full]))
            report(str(rows[-1]))
    ratios = [float(str(row["full to empty"])) for row in rows]
    rows.append({"": "median", "full to empty": round(median(ratios), 3)})
    return {"state": rows, "storage": storage}


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


def _row(name: str, empty: float, full: float) -> dict[str, object]:
    return {
        "": name,
        "empty, events/s": empty,
        "full, events/s": full,
        "full to empty": round(full / empty, 3),
    }
