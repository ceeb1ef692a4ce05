"""What the application committed and the pipeline has not yet carried to its end, as of now."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

from tests.faults.journal import COMMITTED, JournalReader, journal_readers
from tests.faults.rules import COMPLETED

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.evidence import Evidence
    from tests.faults.journal import Attempt, WrittenEvent

LOOK_SECONDS = 0.5
OTHERS_SECONDS = 10.0
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
        # Each with when it was committed.
        self._events: dict[str, float] = {}
        self._subjects: dict[str, float] = {}
        # Nobody waits for these, since they contradict themselves or miss something; but some are
        # billed all the same, and no row may change unseen.
        self._others: set[str] = set()
        self._others_at = time.monotonic()
        self._connection: psycopg.Connection | None = None
        self.committed = 0
        self.last_commits: dict[str, float] = {}

    def run(self) -> None:
        """Look until told to stop; while PostgreSQL is away there is nothing to see."""
        while not self._stopping.wait(LOOK_SECONDS):
            self.look()
            if time.monotonic() - self._others_at > OTHERS_SECONDS:
                self._look_at_others()
        self._look_at_others()
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
            events, subjects = self._events.keys(), self._subjects.keys()
            return Waiting(waiting.events & events, waiting.subjects & subjects)

    def oldest_seconds(self) -> float:
        """Return for how long the oldest of what waits has been waiting."""
        now = time.monotonic()
        with self._lock:
            return now - min((*self._events.values(), *self._subjects.values()), default=now)

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
            for event_id in received:
                del self._events[event_id]
            for subject in posted:
                self._subjects.pop(subject, None)
            self._others -= posted

    def _look_at_others(self) -> None:
        with self._lock:
            others = list(self._others)
        try:
            posted = self._posted(others)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self._disconnect()
            return
        with self._lock:
            self._others -= posted
        self._others_at = time.monotonic()

    def _take_journals(self) -> None:
        for attempt in self._tail.settled():
            if attempt.outcome == COMMITTED and attempt.ended_at is not None:
                since = attempt.ended_at
                self.committed += len(attempt.events)
                self.last_commits[attempt.lane] = since
                self._events |= dict.fromkeys((event.id for event in attempt.events), since)
                self._subjects |= dict.fromkeys(attempt.pays, since)
                self._others.update(_billable(attempt.events))

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


def _billable(events: list[WrittenEvent]) -> set[str]:
    """Return the subjects of completions: whatever is ever billed is among them."""
    payloads = [event.payload for event in events if event.event_type == COMPLETED]
    return {
        f"package/{payload['servicePackageId']}"
        if payload.get("servicePackageId")
        else f"session/{payload['sessionId']}"
        for payload in payloads
    }
