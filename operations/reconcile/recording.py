"""Keeps what a reconciliation found in `reconciliation_runs`, where the console reads it."""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import scalar_row
from psycopg.types.json import Jsonb

from operations.output import as_json
from operations.reconcile.report import Reconciliation

ASKED = "asked"
"""The task of a run that a person asked for."""

_BY_THEMSELVES = ("days", "details")
_INSERT = """
    INSERT INTO reconciliation_runs (
        task, actor, since, until, began_at, verdict, figures, days, details
    )
    VALUES (
        %(task)s, %(actor)s, %(since)s, %(until)s, %(began_at)s, %(verdict)s, %(figures)s, %(days)s,
        %(details)s
    )
    RETURNING id
"""
# The day is that on which it ended (UTC).
_DELETE_EARLIER = """
    DELETE FROM reconciliation_runs AS earlier
    USING reconciliation_runs AS last
    WHERE last.id = %(last)s
      AND earlier.task = last.task AND earlier.verdict = last.verdict
      AND earlier.ended_at >= date_trunc('day', last.ended_at, 'UTC')
      AND earlier.ended_at < last.ended_at
      AND earlier.id <> last.id
"""


def record_run(
    connection: psycopg.Connection[Any],
    task: str,
    actor: str,
    window: tuple[datetime | None, datetime | None],
    began_at: datetime,
    found: Reconciliation,
) -> None:
    """Record what a run found in a window (since, until; None: no bound).

    Of a task that the scheduler repeats, the last run of each day and verdict is kept; of those
    that people asked for (`ASKED`), each. Raises psycopg.Error where the database refuses.
    """
    told = asdict(found)
    with connection.transaction(), connection.cursor(row_factory=scalar_row) as cursor:
        last = cursor.execute(
            _INSERT,
            {
                "task": task,
                "actor": actor,
                "since": window[0],
                "until": window[1],
                "began_at": began_at,
                "verdict": found.verdict,
                "figures": _json(_without(told, _BY_THEMSELVES)),
                "days": _json(told["days"]),
                "details": _json(told["details"]),
            },
        ).fetchone()
        if task != ASKED:
            cursor.execute(_DELETE_EARLIER, {"last": last})


def _without(told: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in names}


def _json(value: Any) -> Jsonb:
    return Jsonb(value, dumps=as_json)
