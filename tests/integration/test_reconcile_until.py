"""Until when a reconciliation has judged: whoever reads on from there must leave nothing out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from operations.reconcile.positions import Offsets, Partition
from operations.reconcile.reconciling import Examination, examine
from operations.reconcile.settings import ReconcileSettings
from tests.integration.database_rows import InsertedEvent, complete, insert_exception
from tests.integration.reconciled import bill_session, insert_price, receive, spoil


@dataclass
class StillPositions:
    """Every partition ends at `end`, and has been read up to `read`."""

    end: int
    read: int

    def ends(self, topics: Iterable[str]) -> Offsets:
        return {(topic, 0): self.end for topic in topics}

    def committed(self, group: str, partitions: Iterable[Partition]) -> Mapping[Partition, int]:  # noqa: ARG002
        return dict.fromkeys(partitions, self.read)


def database_now(connection: psycopg.Connection) -> datetime:
    [(now,)] = connection.execute("SELECT clock_timestamp()").fetchall()
    assert isinstance(now, datetime)
    return now


def created_at(connection: psycopg.Connection, event: InsertedEvent) -> datetime:
    asked = "SELECT created_at FROM domain_events WHERE id = %s"
    [(created,)] = connection.execute(asked, [event.id]).fetchall()
    assert isinstance(created, datetime)
    return created


def examined(
    connection: psycopg.Connection, read: int = 5, grace_seconds: float = 0
) -> Examination:
    patience = ReconcileSettings(wait_seconds=0, delivery_grace_seconds=grace_seconds)
    return examine(connection, StillPositions(5, read), patience, (None, None))


def test_where_nothing_is_on_its_way_everything_is_judged_but_the_last_moment(
    admin: psycopg.Connection,
) -> None:
    insert_price(admin)
    bill_session(admin, "session-1")
    before = database_now(admin)
    found = examined(admin, grace_seconds=10)
    assert (found.found.verdict, found.found.warnings) == ("clean", [])
    assert found.judged_until is not None
    asked_at = found.judged_until + timedelta(seconds=10)
    assert before <= asked_at <= database_now(admin)


def test_a_bill_that_is_on_its_way_is_judged_the_next_time(admin: psycopg.Connection) -> None:
    insert_price(admin)
    bill_session(admin, "session-1")
    event = complete(admin, "session-2")
    receive(admin, event, offset=5)
    # Read into the topic after Kafka told where it ends.
    later = "UPDATE domain_event_deliveries SET published_at = 'infinity' WHERE event_id = %s"
    spoil(admin, "domain_event_deliveries", later, event.id)
    found = examined(admin)
    assert (found.found.verdict, found.found.waiting_for) == ("clean", {"in_flight": 1})
    assert found.judged_until == created_at(admin, event)


def test_a_bill_that_is_tried_again_is_judged_once_that_has_ended(
    admin: psycopg.Connection,
) -> None:
    event = complete(admin, "session-1")
    receive(admin, event)
    insert_exception(
        admin,
        kind="session",
        source_event_id=event.id,
        status="retrying",
        next_attempt_at=database_now(admin),
    )
    found = examined(admin)
    assert (found.found.verdict, found.found.waiting_for) == ("clean", {"retrying": 1})
    assert found.judged_until == created_at(admin, event)


def test_while_a_stage_is_behind_nothing_can_be_said_of_any_time(
    admin: psycopg.Connection,
) -> None:
    found = examined(admin, read=4)
    assert found.found.warnings
    assert found.judged_until is None
