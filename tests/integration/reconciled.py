"""A billed world on a real database, and its reconciliation: what each test spoils."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg

from operations.reconcile.comparison import Scope, compare
from operations.reconcile.report import Reconciliation, reconciliation
from tests.integration.database_rows import (
    InsertedEvent,
    complete,
    insert_entry,
    insert_event,
    package_payload,
    pay,
)

PASSED = {0: 1_000_000}
"""The processors have passed everything."""


def insert_price(connection: psycopg.Connection, **changes: Any) -> None:
    price = {
        "mentor_id": "mentor-1",
        "price_code": "standard",
        "amount_minor": 10_000,
        "currency": "USD",
        "effective_from": "2026-01-01T00:00:00Z",
        **changes,
    }
    connection.execute(
        "INSERT INTO mentor_prices (mentor_id, price_code, amount_minor, currency, effective_from) "
        "VALUES (%(mentor_id)s, %(price_code)s, %(amount_minor)s, %(currency)s, "
        "%(effective_from)s)",
        price,
    )


def receive(connection: psycopg.Connection, event: InsertedEvent, offset: int = 0) -> None:
    """Write the receipt of an event, at an offset of partition 0 of its topic."""
    connection.execute(
        "INSERT INTO domain_event_deliveries "
        '(event_id, event_created_at, topic, partition, "offset") '
        "SELECT id, created_at, 'events.' || aggregate_type, 0, %s FROM domain_events "
        "WHERE id = %s",
        [offset, event.id],
    )


def post(connection: psycopg.Connection, *sessions: str, **changes: Any) -> uuid.UUID:
    """Post an entry that pays the sessions, at the price in force since 2026."""
    entry = {"session_id": sessions[0], "price_effective_from": "2026-01-01T00:00:00Z", **changes}
    entry_id = insert_entry(connection, **entry)
    for session in sessions:
        pay(connection, entry_id, session)
    return entry_id


def bill_session(
    connection: psycopg.Connection, session: str, **changes: Any
) -> tuple[InsertedEvent, uuid.UUID]:
    """Complete a session, receive its event and post its entry, with changed columns."""
    event = complete(connection, session)
    receive(connection, event)
    return event, post(connection, session, source_event_id=event.id, **changes)


def complete_package(
    connection: psycopg.Connection, sessions: Sequence[str], total: int
) -> list[InsertedEvent]:
    """Complete sessions of package-1 and receive their events."""
    events = []
    for session in sessions:
        payload = package_payload(session, total)
        event = insert_event(connection, "services.session.completed", payload)
        receive(connection, event)
        events.append(event)
    return events


def post_package(connection: psycopg.Connection, *sessions: str, **changes: Any) -> uuid.UUID:
    return post(
        connection,
        *sessions,
        **{
            "kind": "package",
            "session_id": None,
            "service_package_id": "package-1",
            "amount_minor": 200_000,
            **changes,
        },
    )


def spoil(connection: psycopg.Connection, table: str, statement: str, *values: Any) -> None:
    """Do to a table, as a superuser, what its triggers refuse."""
    connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    connection.execute(statement, values)


def reconciled(
    connection: psycopg.Connection,
    judged: dict[int, int] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    **scope: Any,
) -> Reconciliation:
    return reconciliation(
        compare(
            connection,
            Scope(judged=PASSED if judged is None else judged, since=since, until=until, **scope),
        )
    )
