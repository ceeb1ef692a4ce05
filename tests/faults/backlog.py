"""What the application committed and the pipeline has not yet carried to its end, as of now."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

from tests.faults.journal import COMMITTED, JournalReader, journal_readers

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.evidence import Evidence
    from tests.faults.journal import Attempt

LOOK_SECONDS = 0.5
ASKED_AT_ONCE = 5_000
RECEIVED = "SELECT event_id::text FROM domain_event_deliveries WHERE event_id = ANY(%s::uuid[])"
# xmin, so that a row that was changed and changed back shows.
CONTENT = """
    row_to_json(entry)::text || ' xmin ' || entry.xmin || ' pays ' || coalesce((
        SELECT string_agg(session_id || '@' || revision, ',' ORDER BY session_id)
        FROM ledger_entry_sessions WHERE entry_id = entry.id), '')
"""
# By subject: a database whose clock jumps has no order of posted_at to go by.
POSTED = f"""
    SELECT id::text, 'session/' || session_id, {CONTENT}
    FROM mentor_payable_ledgers AS entry WHERE session_id = ANY(%(sessions)s)
    UNION ALL
    SELECT id::text, 'package/' || service_package_id, {CONTENT}
    FROM mentor_payable_ledgers AS entry WHERE service_package_id = ANY(%(packages)s)
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Event ids without a receipt, and payable subjects without an entry."""

    events: frozenset[str]
    subjects: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.events or self.subjects)


@dataclass(slots=True)
class JournalTail:
    """All journals of a folder, read as they grow; one that is complete is not opened again."""

    directory: Path
    known: set[Path] = field(default_factory=set)
    growing: list[JournalReader] = field(default_factory=list)

    def settled(self) -> list[Attempt]:
        """Return the attempts whose outcome was noted since the last call."""
        new = journal_readers(self.directory, self.known)
        self.known.update(reader.path for reader in new)
        self.growing += new
        attempts = [attempt for reader in self.growing for attempt in reader.settled()]
        # A lane begins its next file once it has finished the last.
        newest = {reader.lane: reader.path for reader in self.growing}
        self.growing = [
            reader
            for reader in self.growing
            if reader.path == newest[reader.lane] or reader.open_attempts
        ]
        return attempts


class Backlog(threading.Thread):
    """Keeps the backlog, and a running copy of the ledger, by asking twice a second."""

    def __init__(self, url: str, journals: Path, evidence: Evidence) -> None:
        super().__init__(name="backlog", daemon=True)
        self._url = url
        self._tail = JournalTail(journals)
        self._evidence = evidence
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._events: set[str] = set()
        self._subjects: set[str] = set()
        self._connection: psycopg.Connection | None = None
        self.committed = 0

    def run(self) -> None:
        """Look until told to stop; while PostgreSQL is away there is nothing to see."""
        while not self._stopping.wait(LOOK_SECONDS):
            self.look()
        self._disconnect()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        self.join()

    def waiting(self) -> Waiting:
        """Return everything that was committed by now and waits, as far as is known."""
        with self._lock:
            self._take_journals()
            return Waiting(frozenset(self._events), frozenset(self._subjects))

    def still(self, waiting: Waiting) -> Waiting:
        """Return what of an earlier backlog waits still, by the last look."""
        with self._lock:
            return Waiting(waiting.events & self._events, waiting.subjects & self._subjects)

    def look(self) -> None:
        """Read the journals, the receipts and the ledger once."""
        with self._lock:
            self._take_journals()
            events, subjects = list(self._events), list(self._subjects)
        try:
            received = self._received(events)
            posted = self._posted(subjects)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self._disconnect()
            return
        with self._lock:
            self._events.difference_update(received)
            self._subjects -= posted

    def _take_journals(self) -> None:
        for attempt in self._tail.settled():
            if attempt.outcome == COMMITTED:
                self.committed += len(attempt.events)
                self._events.update(event.id for event in attempt.events)
                self._subjects.update(attempt.pays)

    def _received(self, events: list[str]) -> set[str]:
        found: set[str] = set()
        connection = self._connected()
        for start in range(0, len(events), ASKED_AT_ONCE):
            asked = events[start : start + ASKED_AT_ONCE]
            found.update(event_id for (event_id,) in connection.execute(RECEIVED, [asked]))
        return found

    def _posted(self, subjects: list[str]) -> set[str]:
        """Return which of these subjects have an entry, and keep each as it is now."""
        found: set[str] = set()
        connection = self._connected()
        for start in range(0, len(subjects), ASKED_AT_ONCE):
            asked: dict[str, list[str]] = {"sessions": [], "packages": []}
            for subject in subjects[start : start + ASKED_AT_ONCE]:
                kind, _, name = subject.partition("/")
                asked[f"{kind}s"].append(name)
            rows = connection.execute(POSTED, asked).fetchall()
            self._evidence.insert(
                "ledger_seen", [(entry, content) for entry, _, content in rows], or_do="IGNORE"
            )
            found.update(subject for _, subject, _ in rows)
        return found

    def _connected(self) -> psycopg.Connection:
        if self._connection is None:
            self._connection = psycopg.connect(
                self._url, autocommit=True, connect_timeout=5, application_name="faults-backlog"
            )
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
