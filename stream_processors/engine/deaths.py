"""Which record a process died of, known even after SIGKILL or a crash in native code.

While a record is being decoded and decided, its position stands in a memory-mapped file, which
outlives the process. Waiting for Kafka is not covered, on purpose: whoever kills a waiting
process from outside must not make the record it waits with a suspect.
"""

from __future__ import annotations

import json
import mmap
import os
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from pathlib import Path

DEATHS_BEFORE_QUARANTINE = 3

_log = structlog.get_logger(__name__)

_SLOT_BYTES = 4096
_LENGTH_BYTES = 2


class DeathJournal:
    """Counts how often this process died at a record, by position (topic[partition]@offset)."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._counts_file = directory / "deaths.json"
        self._counts = _read(self._counts_file)
        self._slot = _map(directory / "in_hand")
        suspect = self._suspect()
        if suspect:
            self._counts[suspect] = self._counts.get(suspect, 0) + 1
            self._save()
            self.put_down()

    def is_deadly(self, position: str) -> bool:
        """Whether this record is to be quarantined: the process died of it three times."""
        return self._counts.get(position, 0) >= DEATHS_BEFORE_QUARANTINE

    def deaths(self, position: str) -> int:
        """Return how often the process died at this record."""
        return self._counts.get(position, 0)

    def take_up(self, position: str) -> None:
        """Name the record that is to blame if the process dies before `put_down`."""
        name = position.encode()[: _SLOT_BYTES - _LENGTH_BYTES]
        self._slot[_LENGTH_BYTES : _LENGTH_BYTES + len(name)] = name
        self._slot[:_LENGTH_BYTES] = len(name).to_bytes(_LENGTH_BYTES)

    def put_down(self) -> None:
        """No record is to blame any longer."""
        self._slot[:_LENGTH_BYTES] = b"\0\0"

    def _suspect(self) -> str:
        length = int.from_bytes(self._slot[:_LENGTH_BYTES])
        return self._slot[_LENGTH_BYTES : _LENGTH_BYTES + length].decode(errors="replace")

    def _save(self) -> None:
        written = self._counts_file.with_suffix(".new")
        written.write_text(json.dumps(self._counts))
        written.replace(self._counts_file)


def _read(path: Path) -> dict[str, int]:
    """Return the counts; none where a power cut left the file torn, which costs only more tries."""
    try:
        counts: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    except ValueError as error:
        _log.warning("deaths_forgotten", file=str(path), error=str(error))
        return {}
    return counts


def _map(path: Path) -> mmap.mmap:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.ftruncate(descriptor, _SLOT_BYTES)
        return mmap.mmap(descriptor, _SLOT_BYTES)
    finally:
        os.close(descriptor)
