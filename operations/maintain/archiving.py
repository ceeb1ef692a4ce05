"""Copies events to the archive, a batch a transaction."""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from uuid import UUID

import psycopg
from psycopg import sql

from schemas.definitions import load_events

_ARCHIVE = (Path(__file__).parent / "archive.sql").read_text(encoding="utf-8")
BEFORE_ALL: tuple[datetime | str, UUID] = ("-infinity", UUID(int=0))
"""Where the first batch starts."""


@dataclass(frozen=True, slots=True)
class Batch:
    """How many of a batch the archive did not have, and its last event."""

    added: int
    last_created_at: datetime
    last_id: UUID


@cache
def schema_fields() -> str:
    """Return, as JSON, the fields that the schema of each event type names."""
    return json.dumps(
        {name: [field.name for field in event.fields] for name, event in load_events().items()}
    )


def archive(
    connection: psycopg.Connection,
    partition: str,
    since: datetime,
    until: datetime,
    batch_rows: int,
) -> int:
    """Copy the delivered events of a partition; return how many the archive did not have.

    Killed at any moment, it can be called again.
    """
    added = 0
    after = BEFORE_ALL
    while True:
        batch = archive_batch(connection, partition, since, until, after, batch_rows)
        if batch is None:
            return added
        added += batch.added
        after = (batch.last_created_at, batch.last_id)


def archive_batch(
    connection: psycopg.Connection,
    partition: str,
    since: datetime,
    until: datetime,
    after: tuple[datetime | str, UUID],
    batch_rows: int,
) -> Batch | None:
    """Copy the events that follow `after`; None where there are none."""
    row = connection.execute(
        sql.SQL(_ARCHIVE).format(events=sql.Identifier(partition)),
        {
            "since": since,
            "until": until,
            "after_created_at": after[0],
            "after_id": after[1],
            "rows": batch_rows,
            "fields": schema_fields(),
        },
    ).fetchone()
    return None if row is None else Batch(*row)
