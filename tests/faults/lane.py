"""One connection of the application: it carries out transactions, whatever becomes of a server."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

from tests.faults.journal import COMMITTED, LOST, ROLLED_BACK, Journal, JournalReader, WrittenEvent
from tests.faults.stories import LABEL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.stories import Event, Transaction

AFTER_INSERT = "after insert"
BEFORE_COMMIT = "before commit"
AT_COMMIT = "at commit"
AFTER_COMMIT = "after commit"
MOMENTS = (AFTER_INSERT, BEFORE_COMMIT, AT_COMMIT, AFTER_COMMIT)
"""When a process of the application can be killed by its own hand."""

CONNECT_SECONDS = 5
AGAIN_SECONDS = 0.2
_INSERT = (
    "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload, traceparent) "
    "VALUES (%s, %s, %s, %s, %s) RETURNING id::text"
)
_BROKEN = (psycopg.OperationalError, psycopg.InterfaceError)


class StoppedError(Exception):
    """The application was asked to end while its database was away."""


@dataclass(slots=True)
class Lane:
    """Carries out one transaction at a time; the journal says what became of each.

    `wait` sleeps so many seconds and returns whether to stop. `moment` is told where in a
    transaction the lane stands, and may end the process there.
    """

    name: str
    url: str
    journal: Journal
    wait: Callable[[float], bool]
    moment: Callable[[str], bool] = lambda _: False
    labels: dict[str, str] = field(default_factory=dict)
    connection: psycopg.Connection | None = None

    def carry_out(self, number: int, transaction: Transaction) -> list[WrittenEvent]:
        """Try until it is committed (or rolled back, if that is the plan); return its rows."""
        while True:
            try:
                return self._try(number, transaction)
            except _BROKEN:
                self.close()
                self._pause()

    def settle_unknown(self, reader: JournalReader) -> bool:
        """Ask for the attempt that an earlier process left open; return whether it is committed."""
        committed = False
        for attempt in list(reader.open_attempts.values()):
            committed = self._settle(attempt.serial, attempt.events)
        return committed

    def close(self) -> None:
        """Give the connection back."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _try(self, number: int, transaction: Transaction) -> list[WrittenEvent]:
        connection = self._connected()
        written = self._insert(connection, transaction)
        self._act(AFTER_INSERT)
        if transaction.held_seconds:
            self.wait(transaction.held_seconds)
        begun_at = time.monotonic()
        serial = self.journal.intend(number, begun_at, written, transaction.pays)
        self._act(BEFORE_COMMIT)
        try:
            if not transaction.commits:
                connection.rollback()
                self.journal.settle(serial, ROLLED_BACK, time.monotonic())
                return written
            if self.moment(AT_COMMIT):
                connection.pgconn.send_query(b"COMMIT")
                connection.pgconn.flush()
                _die()
            connection.commit()
            self._act(AFTER_COMMIT)
        except _BROKEN:
            self.close()
            if not transaction.commits or not self._settle(serial, written):
                raise
        else:
            self.journal.settle(serial, COMMITTED, time.monotonic())
        self.labels |= {event.label: event.id for event in written if event.label}
        return written

    def _act(self, moment: str) -> None:
        if self.moment(moment):
            _die()

    def _insert(
        self, connection: psycopg.Connection, transaction: Transaction
    ) -> list[WrittenEvent]:
        labels, written = dict(self.labels), []
        for event in transaction.events:
            payload = resolved(event.payload, labels)
            row = connection.execute(_INSERT, _values(event, payload)).fetchone()
            assert row is not None
            written.append(
                WrittenEvent(
                    row[0],
                    event.aggregate_type,
                    event.aggregate_id,
                    event.event_type,
                    payload,
                    event.label,
                )
            )
            if event.label:
                labels[event.label] = row[0]
        return written

    def _settle(self, serial: int, events: list[WrittenEvent]) -> bool:
        """Ask the database, until it answers, whether an attempt was committed; note the answer."""
        while True:
            try:
                outcome = self._ask(events)
            except _BROKEN:
                self.close()
                self._pause()
                continue
            self.journal.settle(serial, outcome, time.monotonic())
            if outcome == COMMITTED:
                self.labels |= {event.label: event.id for event in events if event.label}
            return outcome == COMMITTED

    def _ask(self, events: list[WrittenEvent]) -> str:
        connection = self._connected()
        # A server process that outlived its client may still be committing.
        while connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = %s "
            "AND pid <> pg_backend_pid()",
            [self.name],
        ).fetchone():
            connection.rollback()
            self._pause()
        row = connection.execute(
            "SELECT count(*) FROM domain_events WHERE id = ANY(%s::uuid[])",
            [[event.id for event in events]],
        ).fetchone()
        connection.rollback()
        assert row is not None
        assert row[0] in {0, len(events)}, f"{self.name}: half a transaction is committed"
        return COMMITTED if row[0] else LOST

    def _connected(self) -> psycopg.Connection:
        if self.connection is None:
            self.connection = psycopg.connect(
                self.url, application_name=self.name, connect_timeout=CONNECT_SECONDS
            )
        return self.connection

    def _pause(self) -> None:
        if self.wait(AGAIN_SECONDS):
            raise StoppedError(self.name)


def resolved(payload: Any, labels: dict[str, str]) -> dict[str, Any]:
    """Return a payload with the ids that its labels stand for."""
    return {
        key: labels[value[LABEL]] if isinstance(value, dict) and LABEL in value else value
        for key, value in payload.items()
    }


def _values(event: Event, payload: dict[str, Any]) -> list[str | None]:
    return [
        event.aggregate_type,
        event.aggregate_id,
        event.event_type,
        json.dumps(payload),
        event.traceparent,
    ]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def armed(path: Path) -> Callable[[str], bool]:
    """Return a `moment` that says yes once when `path` holds that moment's name."""

    def moment(name: str) -> bool:
        try:
            if not path.exists() or path.read_text() != name:
                return False
            path.unlink()
        except FileNotFoundError:
            return False  # another lane was quicker
        return True

    return moment
