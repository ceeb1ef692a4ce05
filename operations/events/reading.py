"""What a look asks of PostgreSQL: who may commit yet, and what has come."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from operations.history.chain import SUBJECT_EVENTS, Subject

_HERE = Path(__file__).parent
_WRITERS = (_HERE / "writers.sql").read_text(encoding="utf-8")
_ARRIVALS = (_HERE / "arrivals.sql").read_text(encoding="utf-8")
_EVERYBODY = "WITH named_event AS (SELECT NULL::uuid AS id)\n"
_PAGE_EVENTS = 1_000
_BEFORE_ALL = UUID(int=0)
_SETTINGS = {
    "default_transaction_read_only": "on",
    "statement_timeout": "30s",
    "max_parallel_workers_per_gather": 0,
    "jit": "off",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which events; an empty sequence or None does not restrict."""

    types: Sequence[str] = ()
    aggregate: str | None = None
    subject: Subject = field(default_factory=Subject)

    @property
    def of_subject(self) -> bool:
        """Whether only the events of one contract or mentor are meant."""
        return any(value is not None for value in asdict(self.subject).values())


def connect(database_url: str) -> psycopg.Connection[Any]:
    """Connect for looks alone, each with a limit, also where the link goes nowhere."""
    return psycopg.connect(
        database_url,
        autocommit=True,
        # Planned anew each time, by the times that are asked for.
        prepare_threshold=None,
        connect_timeout=10,
        tcp_user_timeout=10_000,
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=3,
        application_name="outbox events tail",
        options=" ".join(f"-c {name}={value}" for name, value in _SETTINGS.items()),
    )


def database_time(connection: psycopg.Connection[Any]) -> datetime:
    """Return the database's clock. Raises psycopg.Error, as all of these."""
    looked_at, _ = writers(connection)
    return looked_at


def writers(connection: psycopg.Connection[Any]) -> tuple[datetime, frozenset[str]]:
    """Return the database's clock, and then the transactions that may yet commit an event."""
    row = connection.execute(_WRITERS).fetchone()
    if row is None:
        raise TypeError("SELECT without FROM gave no row")
    return row[0], frozenset(row[1])


def arrivals(
    connection: psycopg.Connection[Any], choice: Choice, since: datetime
) -> Iterator[list[tuple[UUID, datetime]]]:
    """Yield the id and created_at of chosen events created since then, oldest first, in pages."""
    statement = (SUBJECT_EVENTS if choice.of_subject else _EVERYBODY) + _ARRIVALS
    after: tuple[UUID, datetime] = (_BEFORE_ALL, since)
    while True:
        page = connection.execute(
            statement,
            {
                "types": list(choice.types) or None,
                "aggregate": choice.aggregate,
                "of_subject": choice.of_subject,
                **asdict(choice.subject),
                "after_id": after[0],
                "after_created_at": after[1],
                "page": _PAGE_EVENTS,
            },
        ).fetchall()
        if page:
            yield page
        if len(page) < _PAGE_EVENTS:
            return
        after = page[-1]
