"""Reads a chain of events: what became of each, in order."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

_HERE = Path(__file__).parent
SUBJECT_EVENTS = (_HERE / "subject.sql").read_text(encoding="utf-8")
"""Names the events of a contract, session, package or mentor; the rest of a statement follows."""
_SESSION_EVENTS = (_HERE / "sessions.sql").read_text(encoding="utf-8")
_KNOWN_EVENTS = (_HERE / "known.sql").read_text(encoding="utf-8")
_HISTORY = (_HERE / "history.sql").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose history: exactly one of the four ids is set."""

    contract: str | None = None
    session: str | None = None
    package: str | None = None
    mentor: str | None = None

    def __str__(self) -> str:
        """Return what it is, for people."""
        return next(f"{name} {value}" for name, value in asdict(self).items() if value is not None)


def read_chosen(
    connection: psycopg.Connection, *, sessions: Sequence[str] = (), events: Sequence[UUID] = ()
) -> list[dict[str, Any]]:
    """Return all events of sessions, and events by their ids, in order; columns as in history.sql.

    Raises psycopg.Error.
    """
    return _read(connection, _SESSION_EVENTS, {"sessions": list(sessions), "events": list(events)})


def read_known(
    connection: psycopg.Connection, known: Mapping[UUID, datetime]
) -> list[dict[str, Any]]:
    """Return events that are known by their id and created_at, likewise."""
    if not known:
        return []
    return _read(connection, _KNOWN_EVENTS, {"ids": list(known), "times": list(known.values())})


def _read(
    connection: psycopg.Connection, named_events: str, values: dict[str, Any]
) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(named_events + _HISTORY, values).fetchall()
