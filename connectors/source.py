"""Look at what the connector reads from, in the database itself."""

from typing import Any

import psycopg
from psycopg.rows import dict_row

from connectors.errors import DatabaseUnreachableError
from connectors.position import Publication, Slot, Source, parse_lsn

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

_READ_PUBLICATION = """
select publication.pubinsert as inserts,
       publication.pubviaroot as via_root,
       exists (
           select
             from pg_publication_tables as published
            where published.pubname = publication.pubname
              and published.schemaname || '.' || published.tablename = %(table)s
              -- The column exists since PostgreSQL 15.
              and to_jsonb(published) ->> 'rowfilter' is null
       ) as has_table
  from pg_publication as publication
 where publication.pubname = %(publication)s
"""


def read_source(database_url: str, slot: str, publication: str, table: str) -> Source:
    """Return slot and publication as they are. Any role that may log in to the database can.

    table: with its schema, as public.domain_events. Raises DatabaseUnreachableError.
    """
    try:
        with (
            psycopg.connect(
                database_url, connect_timeout=_CONNECT_SECONDS, row_factory=dict_row
            ) as connection,
            connection.cursor() as cursor,
        ):
            found_slot = cursor.execute(_READ_SLOT, (slot,)).fetchone()
            found_publication = cursor.execute(
                _READ_PUBLICATION, {"publication": publication, "table": table}
            ).fetchone()
    except psycopg.OperationalError as error:
        raise DatabaseUnreachableError(
            f"The database that holds replication slot {slot} cannot be reached, so its position"
            f" is unknown and nothing was started: {str(error).strip()}"
        ) from error
    return Source(
        slot_name=slot,
        publication_name=publication,
        slot=None if found_slot is None else _slot(slot, found_slot),
        publication=None if found_publication is None else Publication(**found_publication),
    )


def _slot(name: str, row: dict[str, Any]) -> Slot:
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
