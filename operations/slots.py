"""The replication slots of a database, and the write-ahead log that PostgreSQL keeps for each."""

from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

_READ = """
    SELECT
        slot_name AS name,
        active,
        wal_status,
        pg_wal_lsn_diff(log.end_lsn, confirmed_flush_lsn)::bigint AS lag_bytes,
        pg_wal_lsn_diff(log.end_lsn, restart_lsn)::bigint AS retained_bytes,
        safe_wal_size AS safe_bytes
    FROM pg_replication_slots
    CROSS JOIN (
        SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                    ELSE pg_current_wal_lsn() END
    ) AS log (end_lsn)
    WHERE database = current_database() AND slot_type = 'logical'
    ORDER BY slot_name
"""


@dataclass(frozen=True, slots=True)
class Slot:
    """A logical slot. `wal_status` is PostgreSQL's word for the log that is kept.

    `lag_bytes`: from what its reader confirmed to the end of the log; `retained_bytes`: kept for
    it. Both are None where it was invalidated: then it keeps nothing any more. `safe_bytes`: how
    much may be written until it is in danger of that; None where there is no limit, or it is lost.
    """

    name: str
    active: bool
    wal_status: str | None
    lag_bytes: int | None
    retained_bytes: int | None
    safe_bytes: int | None


def read_slots(connection: psycopg.Connection) -> dict[str, Slot]:
    """Return the slots of the connection's database by their names. Raises psycopg.Error."""
    with connection.cursor(row_factory=class_row(Slot)) as cursor:
        return {slot.name: slot for slot in cursor.execute(_READ)}
