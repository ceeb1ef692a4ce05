"""A new replication slot for a connector whose old one cannot be trusted."""

import time
from collections.abc import Callable

import psycopg

from connectors.apply import Site, create_if_missing, read, start, stop
from connectors.errors import DatabaseUnreachableError, PositionUntrustedError
from connectors.position import starting_offset

_RELEASE_SECONDS = 30.0
_PAUSE_SECONDS = 0.2


def renew_slot(site: Site, admin_database_url: str, make_slot: Callable[[], object]) -> None:
    """Drop the slot, let make_slot make it anew, and start the connector at its beginning.

    What was committed before the new slot is not in it: the caller must send that itself, after
    this has returned. admin_database_url: of a role that may drop slots. Broken off anywhere, it
    can be called again: until the new position is stored, nothing starts the connector.
    """
    create_if_missing(site)
    stop(site)
    _drop_slot(admin_database_url, site.definition.slot_name)
    make_slot()
    slot = read(site).slot
    if slot is None or slot.confirmed_flush_lsn is None:
        raise PositionUntrustedError(
            f"Replication slot {site.definition.slot_name} is not there although it was just made:"
            " somebody else drops it. Find out who, then run `outbox connectors recover` again."
        )
    site.client.set_offset(
        site.definition.name,
        site.definition.source_partition,
        starting_offset(slot.confirmed_flush_lsn),
    )
    start(site)


def _drop_slot(admin_database_url: str, name: str) -> None:
    """Drop a slot if it exists; a task that is being stopped may hold it for a moment."""
    deadline = time.monotonic() + _RELEASE_SECONDS
    while True:
        try:
            with psycopg.connect(admin_database_url, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                    " WHERE slot_name = %s",
                    [name],
                )
        except psycopg.errors.ObjectInUse as error:
            if time.monotonic() >= deadline:
                raise PositionUntrustedError(
                    f"Replication slot {name} is still read by another process ({error}), so it"
                    " was not dropped. Stop that process, then run `outbox connectors recover`"
                    " again."
                ) from error
        except psycopg.OperationalError as error:
            raise DatabaseUnreachableError(
                f"The database that holds replication slot {name} cannot be reached, so nothing"
                f" was changed: {str(error).strip()}"
            ) from error
        else:
            return
        time.sleep(_PAUSE_SECONDS)
