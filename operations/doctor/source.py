"""What the connector reads from, as the database shows it: publication, slot, WAL that is kept."""

from collections.abc import Iterator

import psycopg

from connectors.position import Source, position_fault, publication_fault
from operations.doctor.finding import (
    RECOVER,
    Finding,
    by_superuser,
    fault,
    fine,
    mebibytes,
    warning,
)

WARNING_SHARE = 0.5
FAULT_SHARE = 0.8
_UNLIMITED = -1
_MUCH_BYTES = 1024**3

_LIMIT = "SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size'"
_SLOTS = """
    SELECT slot_name, active, wal_status,
           coalesce(pg_wal_lsn_diff(
               CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                    ELSE pg_current_wal_lsn() END,
               restart_lsn), 0)::bigint
    FROM pg_replication_slots
    ORDER BY slot_name
"""


def publication(source: Source) -> Iterator[Finding]:
    """Whether every insert of an event is published."""
    name = source.publication_name
    wrong = publication_fault(source)
    if wrong is None:
        yield fine("publication", f"{name} publishes every event that is inserted")
    else:
        yield fault("publication", wrong, RECOVER)


def slot(source: Source, stored: int | None) -> Iterator[Finding]:
    """Whether the slot is there, goes on where the connector stopped, and is being read.

    stored: the connector's position; None where Connect does not tell.
    """
    name = source.slot_name
    wrong = position_fault(source, stored)
    if wrong is not None:
        yield fault("slot", wrong, RECOVER)
    elif source.slot is not None and not source.slot.active:
        yield fault(
            "slot",
            f"nobody reads the replication slot {name}: no event reaches Kafka, all WAL is kept",
            "`outbox connectors restart`; `outbox connectors resume` if it was paused on purpose",
        )
    elif source.slot is not None:
        yield fine("slot", f"{name} is being read, {mebibytes(source.slot.lag_bytes or 0)} behind")


def kept_wal(connection: psycopg.Connection, ours: str) -> Iterator[Finding]:
    """Whether a slot keeps so much WAL that it will be lost, or that the disk fills up.

    ours: the name of the connector's.
    """
    row = connection.execute(_LIMIT).fetchone()
    limit_mebibytes = _UNLIMITED if row is None else row[0]
    limit_bytes = limit_mebibytes * 1024**2
    if limit_mebibytes == _UNLIMITED:
        yield warning(
            "kept WAL",
            "max_slot_wal_keep_size is -1: a connector that is down long enough fills the disk",
            by_superuser(
                "ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'; SELECT pg_reload_conf();"
            ),
        )
        limit_bytes = _MUCH_BYTES
    largest_bytes, complained = 0, False
    for name, active, state, kept_bytes in connection.execute(_SLOTS).fetchall():
        largest_bytes = max(largest_bytes, kept_bytes)
        if kept_bytes < WARNING_SHARE * limit_bytes and state not in {"unreserved", "lost"}:
            continue
        complained = True
        yield _too_much(name, ours, active, state, kept_bytes, limit_bytes)
    if not complained and limit_mebibytes != _UNLIMITED:
        text = f"{mebibytes(largest_bytes)} at most of the {mebibytes(limit_bytes)} a slot may keep"
        yield fine("kept WAL", text)


def _too_much(
    name: str, ours: str, active: bool, state: str | None, kept_bytes: int, limit_bytes: int
) -> Finding:
    text = (
        f"slot {name} keeps {mebibytes(kept_bytes)} of the {mebibytes(limit_bytes)} it may "
        f"({state}, {'read' if active else 'not read'}); beyond them it is lost"
    )
    if name == ours:
        remedy = "`outbox connectors status` says what holds it; `outbox connectors restart`"
    else:
        drop = by_superuser(f"SELECT pg_drop_replication_slot('{name}');")
        remedy = f"let its owner read it, or drop it: {drop}"
    if state == "lost":
        text = f"slot {name} is lost: the WAL that it needs has been removed"
        remedy = RECOVER if name == ours else remedy
    bad = kept_bytes >= FAULT_SHARE * limit_bytes or state in {"unreserved", "lost"}
    return (fault if bad else warning)("kept WAL", text, remedy)
