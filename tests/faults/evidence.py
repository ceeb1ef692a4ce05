"""The evidence of a run: an SQLite file that all checkers read, and nothing else."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

SCHEMA = Path(__file__).with_name("evidence.sql")
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"


@dataclass(slots=True)
class Evidence:
    """One file (or ":memory:"); may be written to by several threads."""

    path: Path | str
    _connection: sqlite3.Connection = field(init=False)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self._connection = sqlite3.connect(self.path, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        # It need not outlive the machine.
        self._connection.execute("PRAGMA synchronous = OFF")
        there = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not there:
            self._connection.executescript(SCHEMA.read_text())

    def insert(self, table: str, rows: Iterable[Sequence[Any]], *, or_do: str = "ABORT") -> None:
        """Write rows, in one transaction; `or_do` is SQLite's word for rows that are there."""
        with self._lock, self._connection:
            for row in rows:
                marks = ", ".join("?" * len(row))
                self._connection.execute(
                    f"INSERT OR {or_do} INTO {table} VALUES ({marks})", tuple(row)
                )

    def change(self, statement: str, *parameters: Any) -> int:
        """Carry out one statement; return how many rows it concerned."""
        with self._lock, self._connection:
            return self._connection.execute(statement, parameters).rowcount

    def rows(self, query: str, *parameters: Any) -> Iterator[Any]:
        """Read rows one after the other; not to be written to meanwhile."""
        yield from self._connection.execute(query, parameters)

    def one(self, query: str, *parameters: Any) -> Any:
        """Read a single value; None where there is no row."""
        with self._lock:
            row = self._connection.execute(query, parameters).fetchone()
        return None if row is None else row[0]

    def copy(self, tables: Collection[str] = ()) -> Evidence:
        """Return the same evidence in memory, all of it, or these tables alone."""
        other = Evidence(":memory:")
        with self._lock:
            self._connection.backup(other._connection)
        if tables:
            names = [name for (name,) in other.rows(TABLES)]
            for name in names:
                if name not in tables:
                    other.change(f"DELETE FROM {name}")
        return other

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()


def digest(payload: Any) -> str:
    """Return what two payloads have in common exactly if they say the same, as JSON."""
    canonical = json.dumps(payload, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(canonical.encode(), digest_size=8).hexdigest()


def digest_of_text(text: bytes) -> str:
    """Return the digest of JSON text; of anything else, one that no payload has."""
    try:
        return digest(json.loads(text))
    except (ValueError, RecursionError):
        return "no JSON"
