"""`outbox reconcile --repair`: what is missing is sent again to the topics it came from.

The ledger is never written here. The events go through the pipeline as they did, or should have
done, the first time; what arrives twice changes nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from operations.actions import record_action
from operations.output import say
from operations.reconcile.comparison import events_to_send_again
from operations.reconcile.positions import KafkaPositions
from operations.reconcile.reconciling import database, examine
from operations.reconcile.report import Reconciliation
from operations.reconcile.settings import ReconcileSettings
from operations.replay.sending import in_commit_order, send_events
from operations.settings import Settings

REPLAYED_BY = "reconcile"
_EVENTS_AT_ONCE = 1_000
_EVENTS = in_commit_order("SELECT * FROM recorded_events WHERE id = ANY(%s::uuid[])")


@dataclass(frozen=True, slots=True)
class Repair:
    """What was found before, how many events were sent again, and what was found after that."""

    before: Reconciliation
    events_sent: int
    after: Reconciliation


def repair_now(
    settings: Settings,
    since: datetime | None = None,
    until: datetime | None = None,
    actor: str | None = None,
) -> Repair:
    """Reconcile, send again what is missing or undelivered, and reconcile again.

    Nothing is sent where nothing is missing. Raises UnreachableError where the database or Kafka
    does not answer; what was sent by then does no harm, and the next repair sends what is missing.
    """
    patience = ReconcileSettings()
    servers = settings.brokers()
    positions = KafkaPositions(servers, patience.kafka_timeout_seconds)
    with database(settings.need("database_url")) as connection:
        before = examine(connection, positions, patience, (since, until))
        found = before.found
        if not found.missing and not found.undelivered:
            return Repair(found, 0, found)
        events = events_to_send_again(connection, before.scope)
        say(
            f"{found.missing} bills are missing and {found.undelivered} events undelivered: "
            f"sending {len(events)} events again …"
        )
        # Recorded before: what is sent can not be taken back.
        _record(connection, actor, found, events)
        sent = send_events(servers, events_to_send(connection, sorted(events)), REPLAYED_BY)
        after = examine(connection, positions, patience, (since, until))
        return Repair(found, sent, after.found)


def _record(
    connection: psycopg.Connection,
    actor: str | None,
    found: Reconciliation,
    events: Sequence[UUID],
) -> None:
    record_action(
        connection,
        action="reconcile.repair",
        subject=f"{len(events)} events",
        actor=actor,
        detail={"missing": found.missing, "undelivered": found.undelivered, "events": len(events)},
    )


def events_to_send(
    connection: psycopg.Connection, events: Sequence[UUID]
) -> Iterator[dict[str, Any]]:
    """Yield recorded events as the sender takes them, an aggregate's in the order of commits."""
    with (
        connection.transaction(),
        connection.cursor(name="to_send_again", row_factory=dict_row) as rows,
    ):
        rows.itersize = _EVENTS_AT_ONCE
        yield from rows.execute(_EVENTS, [list(events)])
