"""Read the replication slot from the database that the connector tails."""

import psycopg
from psycopg.rows import dict_row

from connectors.errors import DatabaseUnreachableError
from connectors.position import Slot, parse_lsn

_CONNECT_SECONDS = 10

_READ_SLOT = """
select slot.plugin,
       slot.active,
       slot.restart_lsn::text,
       slot.confirmed_flush_lsn::text,
       slot.wal_status,
       -- The column exists since PostgreSQL 17.
       to_jsonb(slot) ->> 'invalidation_reason' as invalidation_reason,
       (case when pg_is_in_recovery() then pg_last_wal_receive_lsn()
             else pg_current_wal_lsn() end)::text as current_lsn
  from pg_replication_slots as slot
 where slot.slot_name = %s
   and slot.database = current_database()
"""


def read_slot(database_url: str, name: str) -> Slot | None:
    """Return the slot of this name in this database, or None. Any role that may log in can.

    Raises DatabaseUnreachableError.
    """
    try:
        with (
            psycopg.connect(
                database_url, connect_timeout=_CONNECT_SECONDS, row_factory=dict_row
            ) as connection,
            connection.cursor() as cursor,
        ):
            row = cursor.execute(_READ_SLOT, (name,)).fetchone()
    except psycopg.OperationalError as error:
        raise DatabaseUnreachableError(
            f"The database that holds replication slot {name} cannot be reached, so nothing was"
            f" started: {str(error).strip()}"
        ) from error
    if row is None:
        return None
    return Slot(
        name=name,
        plugin=row["plugin"],
        active=row["active"],
        restart_lsn=_position(row["restart_lsn"]),
        confirmed_flush_lsn=_position(row["confirmed_flush_lsn"]),
        wal_status=row["wal_status"],
        invalidation_reason=row["invalidation_reason"],
        current_lsn=parse_lsn(row["current_lsn"]),
    )


def _position(text: str | None) -> int | None:
    return None if text is None else parse_lsn(text)
