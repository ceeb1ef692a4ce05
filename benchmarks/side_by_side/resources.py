"""What a system costs while it works: processor time and memory by process, bytes of WAL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import psycopg

_MEBIBYTE = 1024 * 1024
_WAL = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"


@dataclass(frozen=True, slots=True)
class Spent:
    """Between two moments: seconds of processor time, by process, and bytes of WAL."""

    cpu_seconds: dict[str, float]
    wal_bytes: int


@dataclass(frozen=True, slots=True)
class Meter:
    """Reads the clocks of a system's processes, by name, and of the log."""

    processes: Callable[[], Mapping[str, psutil.Process]]

    def read(self, admin: psycopg.Connection[Any]) -> Spent:
        """Return what was spent since they started."""
        return Spent(cpu_seconds(self.processes()), _wal_bytes(admin))

    def since(self, before: Spent, admin: psycopg.Connection[Any]) -> Spent:
        """Return what was spent since an earlier reading; a process begun since then, all of it."""
        now = self.read(admin)
        return Spent(
            {
                name: seconds - before.cpu_seconds.get(name, 0.0)
                for name, seconds in now.cpu_seconds.items()
            },
            now.wal_bytes - before.wal_bytes,
        )

    def memory_mib(self) -> dict[str, int]:
        """Return the memory of each process and its children; shared pages are divided."""
        return {
            name: sum(map(_proportional_bytes, family)) // _MEBIBYTE
            for name, family in _families(self.processes()).items()
        }


def _wal_bytes(admin: psycopg.Connection[Any]) -> int:
    row = admin.execute(_WAL).fetchone()
    return int(row[0]) if row else 0


def cpu_seconds(processes: Mapping[str, psutil.Process]) -> dict[str, float]:
    """Return the processor time of each and of its children, also of those that have ended."""
    return {name: sum(map(_seconds, family)) for name, family in _families(processes).items()}


def _families(processes: Mapping[str, psutil.Process]) -> dict[str, list[psutil.Process]]:
    """Return each process and what descends from it, but for what has a name of its own."""
    named = set(processes.values())
    return {name: list(_family(process, named)) for name, process in processes.items()}


def _family(process: psutil.Process, named: set[psutil.Process]) -> Iterator[psutil.Process]:
    yield process
    try:
        children = process.children()
    except psutil.NoSuchProcess:
        return
    for child in children:
        if child not in named:
            yield from _family(child, named)


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def _proportional_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0
