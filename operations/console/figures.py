"""The figures of the overview that PostgreSQL has."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from operations.console.queries import read_query, rows
from operations.slots import Slot, read_slots

_NOW, _MINUTES, _LAST_HOUR = map(read_query, ("now", "minutes", "last_hour"))


@dataclass(frozen=True, slots=True)
class Now:
    """The last minute. Latencies are from the insert of the event that made a bill due."""

    events_per_second: float
    entries_per_second: float
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None
    retrying: int
    failed: int
    overdue: int
    waiting: int | None
    waiting_at: datetime | None


@dataclass(frozen=True, slots=True)
class Minute:
    """The bills that were posted in one minute of the last hour; `entries` 0 where there were none.

    Where there were very many, the percentiles are those of the first ones.
    """

    minute: datetime
    entries: int
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """All of them, of about one moment."""

    now: Now
    minutes: Sequence[Minute]
    last_hour: Sequence[dict[str, Any]]
    slots: Sequence[Slot]


def read_figures(connection: psycopg.Connection) -> Figures:
    """Read them. Raises psycopg.Error."""
    with connection.cursor(row_factory=class_row(Now)) as cursor:
        (now,) = cursor.execute(_NOW).fetchall()
    with connection.cursor(row_factory=class_row(Minute)) as cursor:
        minutes = cursor.execute(_MINUTES).fetchall()
    last_hour = rows(connection, _LAST_HOUR)
    return Figures(now, minutes, last_hour, list(read_slots(connection).values()))
