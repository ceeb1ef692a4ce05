"""Can the connector go on from where it was? Slot and stored offset compared. Pure.

Why, and what this cannot see: docs/decisions/0004-a-lost-slot-is-refused.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_RECOVER = (
    "The connector is not started, because going on from there would lose what was committed in"
    " between without a word. Run `outbox connectors recover`: it makes a new slot and sends again"
    " every event that has no receipt."
)


@dataclass(frozen=True, slots=True)
class Slot:
    """A logical replication slot; log positions are bytes from the start of the WAL."""

    name: str
    plugin: str
    active: bool
    restart_lsn: int | None
    confirmed_flush_lsn: int | None
    wal_status: str | None
    invalidation_reason: str | None
    current_lsn: int
    """How far the server's own WAL reaches."""

    @property
    def lag_bytes(self) -> int | None:
        """Bytes of WAL whose delivery the connector has not confirmed."""
        return _behind(self.current_lsn, self.confirmed_flush_lsn)

    @property
    def kept_bytes(self) -> int | None:
        """Bytes of WAL that the server keeps for this slot."""
        return _behind(self.current_lsn, self.restart_lsn)


@dataclass(frozen=True, slots=True)
class Publication:
    """What the server publishes of the outbox table; has_table: all of it, unfiltered."""

    inserts: bool
    via_root: bool
    has_table: bool


@dataclass(frozen=True, slots=True)
class Source:
    """What a connector reads from, by name and as found; None for what does not exist."""

    slot_name: str
    publication_name: str
    slot: Slot | None
    publication: Publication | None


def stored_position(offset: Mapping[str, object]) -> int | None:
    """Return the log position in an offset that Debezium stored, or None if it holds none.

    Debezium starts streaming at the last position it processed completely (lsn_proc), and at lsn
    where it has none.
    """
    position = offset.get("lsn_proc", offset.get("lsn"))
    return position if isinstance(position, int) else None


def starting_offset(position: int) -> dict[str, object]:
    """Return the offset with which a new connector starts at a slot's confirmed position.

    Marked as a message outside transactions: Debezium then resumes with the first change that the
    server sends, and never takes one that begins at this very position for one it has seen.
    """
    return {
        "lsn": position,
        "lsn_proc": position,
        "lsn_commit": position,
        "messageType": "MESSAGE",
    }


def source_fault(source: Source, stored: int | None) -> str | None:
    """Say why a connector must not start on this source with this stored position, else None.

    stored is None for a connector that has never stored one.
    """
    return publication_fault(source) or position_fault(source, stored)


def publication_fault(source: Source) -> str | None:
    """Say why the publication would leave something out, else None."""
    name, publication = source.publication_name, source.publication
    if publication is None:
        return (
            f"Publication {name} does not exist. PostgreSQL 18 leaves out what it published without"
            " an error. `outbox connectors recover` makes it again and sends every event that has"
            " no receipt."
        )
    if publication.inserts and publication.via_root and publication.has_table:
        return None
    return (
        f"Publication {name} does not publish every insert into the outbox table through its root"
        f" (inserts: {publication.inserts}, via root: {publication.via_root}, whole table:"
        f" {publication.has_table}). `outbox connectors recover` makes it as infra/postgres defines"
        " it, and sends every event that has no receipt."
    )


def position_fault(source: Source, stored: int | None) -> str | None:
    """Say why the slot does not continue where the stored position ends, else None."""
    name, slot = source.slot_name, source.slot
    if slot is None and stored is None:
        return (
            f"Replication slot {name} does not exist, and only what is committed after it was made"
            " reaches Kafka. If no event was ever written, make it and apply again (`outbox up`"
            " does both). If there are events, run `outbox connectors recover`: it makes the slot"
            " and sends every event that has no receipt."
        )
    if slot is None:
        return (
            f"Replication slot {name} is gone, and the connector had read it up to"
            f" {format_lsn(stored or 0)}. {_RECOVER}"
        )
    fault = _slot_fault(slot)
    if fault is None and stored is not None:
        fault = _mismatch(slot, stored)
    return fault


def _slot_fault(slot: Slot) -> str | None:
    if slot.plugin != "pgoutput":
        return (
            f"Replication slot {slot.name} decodes with {slot.plugin}, not with pgoutput: it is not"
            " the connector's. Drop it or choose another name, then apply again."
        )
    if slot.restart_lsn is None or slot.confirmed_flush_lsn is None or slot.wal_status == "lost":
        reason = slot.invalidation_reason or slot.wal_status or "unknown reason"
        return (
            f"Replication slot {slot.name} was invalidated by the server ({reason}): the WAL that"
            f" it needs has been removed. {_RECOVER}"
        )
    return None


def _mismatch(slot: Slot, stored: int) -> str | None:
    restart, confirmed = slot.restart_lsn or 0, slot.confirmed_flush_lsn or 0
    if restart > stored or (restart == stored and confirmed > stored):
        return (
            f"Replication slot {slot.name} begins at {format_lsn(restart)}, after the connector's"
            f" stored position {format_lsn(stored)}: it was made anew or moved. {_RECOVER}"
        )
    if stored > slot.current_lsn:
        return (
            f"The connector's stored position {format_lsn(stored)} lies beyond the end of the"
            f" server's WAL, {format_lsn(slot.current_lsn)}: the database was restored or replaced,"
            f" and the connector would skip everything up to there. {_RECOVER}"
        )
    return None


def format_lsn(position: int) -> str:
    """Write a log position the way PostgreSQL does, as 0/16B3748."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def parse_lsn(text: str) -> int:
    """Read a log position written the way PostgreSQL does."""
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def _behind(current: int, position: int | None) -> int | None:
    return None if position is None else max(current - position, 0)
