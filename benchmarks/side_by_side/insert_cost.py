"""What the outbox costs the application's own transaction, and what of it is the payload check."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.side_by_side.application import DOMAIN_EVENTS, STATEMENTS
from benchmarks.side_by_side.quantiles import Quantiles
from benchmarks.side_by_side.work import SINGLES, Work

if TYPE_CHECKING:
    from benchmarks.side_by_side.work import Written

_ROUNDS = 10
_ROUND_TIMES = 100
_WARMING = 20
_BUSINESS = "CREATE TABLE {} (session_id text PRIMARY KEY, completed_at timestamptz DEFAULT now())"
_CHECK = "ALTER TABLE domain_events {} TRIGGER check_event"
_ROW, _UNCHECKED, _CHECKED = "a business row", "and an event, unchecked", "and an event, checked"


def insert_cost(admin_url: str) -> dict[str, Quantiles]:
    """Time three transactions in turn: the business row; with its event unchecked; and checked.

    In rounds, since the first statements after the check was switched are planned anew. The
    connector must be away: nobody else inserts meanwhile.
    """
    table = f"business_{uuid.uuid4().hex[:8]}"
    events = Work(f"cost-{uuid.uuid4().hex[:8]}", SINGLES, 1_000_000).all_events()
    times: dict[str, list[float]] = {_ROW: [], _UNCHECKED: [], _CHECKED: []}
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.prepare_threshold = 0
        connection.execute(_BUSINESS.format(table))
        try:
            for _ in range(_ROUNDS):
                for name, milliseconds in times.items():
                    connection.execute(
                        _CHECK.format("DISABLE" if name == _UNCHECKED else "ENABLE ALWAYS")
                    )
                    taken = [
                        _transaction(connection, table, next(events), event=name != _ROW)
                        for _ in range(_WARMING + _ROUND_TIMES)
                    ]
                    milliseconds.extend(taken[_WARMING:])
        finally:
            connection.execute(_CHECK.format("ENABLE ALWAYS"))
            connection.execute(f"DROP TABLE {table}")
    return {name: Quantiles.of(milliseconds) for name, milliseconds in times.items()}


def _transaction(
    connection: psycopg.Connection[Any], table: str, written: Written, *, event: bool
) -> float:
    begun_at = time.perf_counter()
    with connection.transaction():
        connection.execute(f"INSERT INTO {table} VALUES (%s)", [written.session_id])  # noqa: S608
        if event:
            values = (written.session_id, written.event_type, written.payload)
            connection.execute(STATEMENTS[DOMAIN_EVENTS], values)
    return (time.perf_counter() - begun_at) * 1000
