"""State tables: compacted changelog topics in Kafka, with a copy in RocksDB beside the worker.

Not `faust.Table`, for reasons measured and written down in docs/decisions. The changelog is the
truth. The copy remembers up to which changelog offset it is whole, in the same write as
its rows; `catch_up` reads the rest. It runs when a partition is opened, after every assignment,
and whenever a delivered row shows that another worker wrote in between. As rows are facts, and
facts only grow, applying them late or twice changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rocksdict import BlockBasedOptions, Cache, Options, Rdict, WriteBatch

from stream_processors.engine.messages import OutboundRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from stream_processors.engine.changelog import Changelog

_MEBIBYTE = 1024 * 1024
# Begins with NUL, which no fact's key does: an id is never empty.
_POSITION_KEY = b"\0position"
GENESIS_KEY = b"\0genesis"


class FactPartition:
    """The facts whose events came through one partition of the source topic."""

    def __init__(self, directory: Path, changelog: Changelog, number: int) -> None:
        self.number = number
        self._changelog = changelog
        self._database = Rdict(str(directory), options=_options())
        stored = self._database.get(_POSITION_KEY)
        # The changelog offset up to which (exclusive) the local copy is whole.
        self.position = int(stored) if stored is not None else 0

    def catch_up(self) -> int:
        """Apply what the changelog holds beyond this copy; return the number of rows.

        Raises PositionLost when the changelog no longer reaches back to this copy, or ends
        before it.
        """
        applied = 0
        for rows, position in self._changelog.read(self.number, self.position):
            self._write(rows, position)
            applied += len(rows)
        return applied

    def rows(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the rows whose key begins with `prefix`, in the order of their keys."""
        cursor = self._database.iter()
        cursor.seek(prefix)
        while cursor.valid():
            key = cursor.key()
            if not key.startswith(prefix):
                return
            yield key, cursor.value()
            cursor.next()

    def store(self, rows: Sequence[tuple[bytes, bytes]], offsets: Sequence[int]) -> bool:
        """Copy rows that were delivered to the changelog at `offsets`.

        Where the offsets do not follow this copy without a gap, another worker wrote meanwhile:
        then the changelog is read instead, which gives both its rows and these, and False is
        returned.
        """
        if not rows:
            return True
        if list(offsets) == list(range(self.position, self.position + len(rows))):
            self._write(rows, self.position + len(rows))
            return True
        self.catch_up()
        return False

    def close(self) -> None:
        """Close the local copy, and give up its lock."""
        self._database.close()

    def _write(self, rows: Sequence[tuple[bytes, bytes]], position: int) -> None:
        batch = WriteBatch(raw_mode=True)
        for key, value in rows:
            batch.put(key, value)
        batch.put(_POSITION_KEY, str(position).encode())
        self._database.write(batch)
        self.position = position


@dataclass(slots=True)
class PendingFacts:
    """One batch's view of a partition: its stored rows, and those the batch adds."""

    partition: FactPartition
    added: dict[bytes, bytes] = field(default_factory=dict)

    def rows(self, prefix: bytes) -> dict[bytes, bytes]:
        """Return the rows whose key begins with `prefix`, stored or added."""
        found = dict(self.partition.rows(prefix))
        if self.added:
            found.update(
                (key, value) for key, value in self.added.items() if key.startswith(prefix)
            )
        return found

    def add(self, key: bytes, value: bytes) -> None:
        """Add a row; one with this key must not be there yet."""
        self.added[key] = value


class FactTable:
    """A table by partition; each is opened and made whole when its first batch arrives."""

    def __init__(self, name: str, changelog: Changelog, directory: Path) -> None:
        self.name = name
        self.changelog = changelog
        self._directory = directory
        self._open: dict[int, FactPartition] = {}

    def partition(self, number: int) -> FactPartition:
        """Return a partition that `recover` has made whole."""
        return self._open[number]

    def recover(self, number: int) -> OutboundRecord | None:
        """Open a partition and make its local copy whole; blocks while it reads the changelog.

        To be called at every assignment: another worker may have written meanwhile. Returns the
        record that begins a new changelog, so that an empty one later means a lost one.
        Raises PositionLost when the source topic's or the changelog's positions can't be trusted.
        """
        is_new = self.changelog.check_source(number)
        if number not in self._open:
            path = self._directory / f"{self.name}-{number}"
            self._open[number] = FactPartition(path, self.changelog, number)
        self._open[number].catch_up()
        return self.changelog_record(number, GENESIS_KEY, b"") if is_new else None

    def changelog_record(self, partition: int, key: bytes, value: bytes) -> OutboundRecord:
        """Return a row as a record for the changelog, on the partition of its event."""
        return OutboundRecord(self.changelog.topic, key, value, partition=partition)


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)  # noqa: FBT003 - RocksDB's own signature
    options.set_write_buffer_size(16 * _MEBIBYTE)
    options.set_max_open_files(128)
    table = BlockBasedOptions()
    # One each partition: the default of 2 GiB would be taken by every one of them.
    table.set_block_cache(Cache(16 * _MEBIBYTE))
    table.set_bloom_filter(10, False)  # noqa: FBT003
    options.set_block_based_table_factory(table)
    return options
