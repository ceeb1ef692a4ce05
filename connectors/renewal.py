"""A new replication slot for a connector whose old one cannot be trusted."""

import time
from collections.abc import Callable

import psycopg

from connectors.apply import Site, create_if_missing, read, start, stop
from connectors.errors import DatabaseUnreachableError, PositionUntrustedError
from connectors.position import starting_offset

_RELEASE_SECONDS = 30.0
_PAUSE_SECONDS = 0.2

# Before the beginning of any log: every slot begins after it, so our verbs, the keeper and Debezium
# itself refuse it (docs/decisions/0004-a-lost-slot-is-refused.md).
_NOWHERE = 1


def renew_slot(
    site: Site,
    admin_database_url: str,
    make_slot: Callable[[], object],
    send_undelivered: Callable[[], object],
) -> None:
    """Make the slot anew, have sent what is not in it, and start the connector at its beginning.

    In this order, so that an event committed before the new slot reaches Kafka before the later
    ones of its aggregate. make_slot makes the slot and whatever it needs; send_undelivered sends
    every event that is committed and has no receipt. admin_database_url: of a role that may drop
    slots. Broken off anywhere, it can be called again: until all of it is done, the stored position
    is one that nothing starts from.
    """
    create_if_missing(site)
    stop(site)
    _store(site, _NOWHERE)
    _drop_slot(admin_database_url, site.definition.slot_name)
    make_slot()
    slot = read(site).slot
    if slot is None or slot.confirmed_flush_lsn is None:
        raise PositionUntrustedError(
            f"Replication slot {site.definition.slot_name} is not there although it was just made:"
            " somebody else drops it. Find out who, then run `outbox connectors recover` again."
        )
    send_undelivered()
    _store(site, slot.confirmed_flush_lsn)
    start(site)


def _store(site: Site, position: int) -> None:
    site.client.set_offset(
        site.definition.name, site.definition.source_partition, starting_offset(position)
    )


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
