"""What the application noted about each of its transactions: its intent, then its outcome.

One file a lane and epoch, one JSON document a line. The intent is on its way to the disk before
COMMIT is sent, so that a process killed at any instant leaves either nothing committed, or the ids
by which the database can be asked.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

COMMITTED = "committed"
ROLLED_BACK = "rolled back"
LOST = "lost"
"""The connection broke, and the database, asked afterwards, has none of it."""
UNKNOWN = "unknown"
"""Intended, and nobody has asked the database yet."""


@dataclass(frozen=True, slots=True)
class WrittenEvent:
    """One row as it was inserted; the id is what RETURNING gave."""

    id: str
    aggregate_type: str
    aggregate_id: str
    event_type: str
    payload: dict[str, Any]
    label: str | None = None


@dataclass(slots=True)
class Attempt:
    """One transaction, tried once. Times are those of the machine's monotonic clock."""

    lane: str
    number: int  # of the transaction in the plan of this lane and epoch
    serial: int  # of the attempt in the file
    begun_at: float  # before COMMIT (or ROLLBACK) was sent
    events: list[WrittenEvent]
    pays: list[str]
    outcome: str = UNKNOWN
    ended_at: float | None = None  # after its outcome was known


@dataclass(slots=True)
class Journal:
    """The open file of one lane and epoch; goes on with what an earlier process has left."""

    path: Path
    lane: str
    attempts: int = 0
    _file: int = field(init=False)

    def __post_init__(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def intend(
        self, number: int, begun_at: float, events: Sequence[WrittenEvent], pays: Sequence[str]
    ) -> int:
        """Note what is about to be committed or rolled back; return the attempt's serial."""
        self.attempts += 1
        rows = [
            [
                event.id,
                event.aggregate_type,
                event.aggregate_id,
                event.event_type,
                event.payload,
                event.label,
            ]
            for event in events
        ]
        self._write(
            {"n": number, "s": self.attempts, "begun": begun_at, "events": rows, "pays": [*pays]}
        )
        return self.attempts

    def settle(self, serial: int, outcome: str, ended_at: float) -> None:
        """Note what became of an attempt."""
        self._write({"s": serial, "outcome": outcome, "ended": ended_at})

    def close(self) -> None:
        """Give the file back."""
        os.close(self._file)

    def _write(self, document: dict[str, Any]) -> None:
        # One write a line, to a file opened for appending: a kill leaves whole lines.
        os.write(self._file, json.dumps(document, separators=(",", ":")).encode() + b"\n")


@dataclass(slots=True)
class JournalReader:
    """Reads one file as it grows; hands over each attempt once its outcome is noted."""

    path: Path
    lane: str
    open_attempts: dict[int, Attempt] = field(default_factory=dict)
    attempts: int = 0
    _position: int = 0

    def settled(self) -> Iterator[Attempt]:
        """Yield the attempts whose outcome was noted since the last call."""
        with self.path.open() as file:
            file.seek(self._position)
            yield from self._lines(file)

    def _lines(self, file: TextIO) -> Iterator[Attempt]:
        while (line := file.readline()).endswith("\n"):
            self._position = file.tell()
            document = json.loads(line)
            serial = document["s"]
            if "events" in document:
                self.attempts = max(self.attempts, serial)
                events = [WrittenEvent(*row) for row in document["events"]]
                self.open_attempts[serial] = Attempt(
                    lane=self.lane,
                    number=document["n"],
                    serial=serial,
                    begun_at=document["begun"],
                    events=events,
                    pays=document["pays"],
                )
            else:
                attempt = self.open_attempts.pop(serial)
                attempt.outcome = document["outcome"]
                attempt.ended_at = document["ended"]
                yield attempt


def journal_path(directory: Path, lane: str, epoch: int) -> Path:
    """Return where a lane's journal of one epoch lies."""
    return directory / f"{lane}.{epoch:06d}.jsonl"


def journal_readers(directory: Path, known: Collection[Path] = ()) -> list[JournalReader]:
    """Return a reader for each journal of a folder that is not among `known`."""
    there = sorted(directory.glob("*.jsonl"))
    return [JournalReader(path, path.name.split(".")[0]) for path in there if path not in known]
