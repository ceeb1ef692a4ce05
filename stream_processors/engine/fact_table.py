"""State tables: compacted changelog topics in Kafka, with a copy in RocksDB beside the worker.

Not `faust.Table`, for reasons measured and written down in docs/decisions. The changelog is the
truth. The copy remembers up to which changelog offset it is whole, in the same write as
its rows; `catch_up` reads the rest. It runs when a partition is opened, after every assignment,
and whenever a delivered row shows that another worker wrote in between. As rows are facts, and
facts only grow, applying them late or twice changes nothing.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog
from rocksdict import BlockBasedOptions, Cache, Options, Rdict, WriteBatch

from stream_processors.engine.changelog import MEND, PositionLost
from stream_processors.engine.genesis import GENESIS_KEY, Genesis
from stream_processors.engine.messages import OutboundRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rocksdict import RdictIter

    from stream_processors.engine.changelog import Changelog

_log = structlog.get_logger(__name__)

_MEBIBYTE = 1024 * 1024
# As with GENESIS_KEY: no fact's key begins with NUL.
_POSITION_KEY = b"\0position"
_CHANGELOG_KEY = b"\0changelog"


class LocalCopyUnreadable(Exception):  # noqa: N818 - a state of a disk
    """RocksDB cannot read what it has written."""


class FactPartition:
    """The facts whose events came through one partition of the source topic."""

    def __init__(self, directory: Path, changelog: Changelog, number: int) -> None:
        self.number = number
        self._directory = directory
        self._changelog = changelog
        # It sees the rows as they were when it was made, so that a write takes it away. To make one
        # costs more than to look a subject up with it.
        self._cursor: RdictIter | None = None
        self._open()

    @property
    def genesis(self) -> Genesis | None:
        """What the changelog was begun for, as far as this copy knows."""
        return Genesis.of(self._database.get(GENESIS_KEY))

    def catch_up(self) -> int:
        """Apply what the changelog holds beyond this copy; return the number of rows.

        Raises PositionLost when this copy is of another changelog than the one there now, and
        when that no longer reaches back to this copy, or ends before it.
        """
        self._check_changelog()
        applied = 0
        for rows, position in self._changelog.read(self.number, self.position):
            self._write(rows, position)
            applied += len(rows)
        return applied

    def rows(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the rows whose key begins with `prefix`, in the order of their keys."""
        return _matching(self._database.iter(), prefix)

    def rows_of(self, subject: bytes) -> dict[bytes, bytes]:
        """Return the rows of one subject, which are few.

        A copy that cannot be read is made anew: the changelog is the truth.
        """
        if self._cursor is None:
            self._cursor = self._database.iter()
        try:
            return dict(_matching(self._cursor, subject))
        except LocalCopyUnreadable as error:
            _log.warning("local_copy_made_anew", directory=str(self._directory), error=str(error))
        # Not while there is an error: it holds the cursor, and that the lock of the copy.
        self._drop()
        self.catch_up()
        return self.rows_of(subject)

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
        self._cursor = None
        self._database.close()

    def _open(self) -> None:
        self._database = Rdict(str(self._directory), options=_options())
        position = self._database.get(_POSITION_KEY)
        # The changelog offset up to which (exclusive) the local copy is whole.
        self.position = int(position) if position is not None else 0

    def _check_changelog(self) -> None:
        """Note which changelog this is a copy of; drop what is of one that a person replaced."""
        actual = self._changelog.topic_id.encode()
        copied = self._database.get(_CHANGELOG_KEY)
        if copied not in {None, actual}:
            genesis = self._changelog.genesis(self.number)
            if genesis is None or genesis.rebuilt_at is None:
                raise PositionLost(
                    f"the local copy of {self._changelog.topic}[{self.number}] is of a topic with "
                    f"the id {copied.decode()}, but the one there now has the id "
                    f"{actual.decode()}: it was deleted and made anew. {MEND}"
                )
            self._drop()
        if copied != actual:
            self._database[_CHANGELOG_KEY] = actual

    def _drop(self) -> None:
        """Begin with an empty copy; whatever kills this process, none is left half empty."""
        self.close()
        dropped = self._directory.with_name(f"{self._directory.name}.dropped")
        shutil.rmtree(dropped, ignore_errors=True)
        self._directory.rename(dropped)
        shutil.rmtree(dropped)
        self._open()

    def _write(self, rows: Sequence[tuple[bytes, bytes]], position: int) -> None:
        batch = WriteBatch(raw_mode=True)
        for key, value in rows:
            batch.put(key, value)
        batch.put(_POSITION_KEY, str(position).encode())
        self._database.write(batch)
        self._cursor = None
        self.position = position


@dataclass(slots=True)
class PendingFacts:
    """One batch's view of a partition: its stored rows, and those the batch adds.

    A subject is what the keys of all its rows begin with; none begins with another. `read` is the
    agent's own: what it has read in a row, by the row's key, so that it does so once a batch.
    """

    partition: FactPartition
    added: dict[bytes, bytes] = field(default_factory=dict)
    read: dict[bytes, Any] = field(default_factory=dict)
    _known: dict[bytes, dict[bytes, bytes]] = field(default_factory=dict)

    def rows(self, subject: bytes) -> dict[bytes, bytes]:
        """Return all rows of a subject, stored or added; the partition is asked once a batch."""
        known = self._known.get(subject)
        if known is None:
            known = self._known[subject] = self.partition.rows_of(subject)
        return known

    def add(self, subject: bytes, key: bytes, value: bytes) -> None:
        """Add a row of a subject; one with this key must not be there yet."""
        self.rows(subject)[key] = value
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
        record that is to begin a changelog, where that is not there: it says which topic the facts
        are of, and an empty changelog later means a lost one. Raises PositionLost when the source
        topic's or the changelog's positions can't be trusted.
        """
        self.changelog.check_source(number)
        if number not in self._open:
            path = self._directory / f"{self.name}-{number}"
            self._open[number] = FactPartition(path, self.changelog, number)
        partition = self._open[number]
        partition.catch_up()
        genesis = partition.genesis
        if genesis is None:
            begun = Genesis(self.changelog.source_id)
            return self.changelog_record(number, GENESIS_KEY, begun.value)
        self.changelog.check_begun_for_source(number, genesis)
        return None

    def check_skipped(self, number: int, expected: int, found: int) -> None:
        """Check that Kafka has nothing between the offsets `expected` next and `found`.

        Raises as `Changelog.check_skipped`.
        """
        self.changelog.check_skipped(number, expected, found)
        genesis = self._open[number].genesis
        if genesis is not None:
            self.changelog.check_begun_for_source(number, genesis)

    def changelog_record(self, partition: int, key: bytes, value: bytes) -> OutboundRecord:
        """Return a row as a record for the changelog, on the partition of its event."""
        return OutboundRecord(self.changelog.topic, key, value, partition=partition)


def _matching(cursor: RdictIter, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the rows from `prefix` on that begin with it; raises LocalCopyUnreadable."""
    cursor.seek(prefix)
    while cursor.valid():
        key = cursor.key()
        if not key.startswith(prefix):
            return
        yield key, cursor.value()
        cursor.next()
    # The end of the rows, or of those that can be read: a damaged block ends an iteration, too.
    try:
        cursor.status()
    except Exception as error:
        raise LocalCopyUnreadable(str(error)) from error


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
