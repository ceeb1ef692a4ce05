"""Which events a replay chooses, and in which pages, on a real database; Kafka is empty here."""

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from operations.history.chain import Subject
from operations.history.summary import read_history
from operations.replay.event_pages import EventPages
from operations.replay.kafka_records import KafkaRecords, Position
from operations.replay.selection import ARCHIVE, KAFKA, TABLE, Page, Selection
from operations.replay.sending import Record
from tests.integration.database_rows import (
    InsertedEvent,
    complete,
    deliver,
    evaluate,
    insert_event,
    package_payload,
    void,
)


class NoRecords(KafkaRecords):
    """A Kafka that keeps nothing, but for what a test puts there."""

    def __init__(self) -> None:
        self.lying: dict[Position, Record] = {}

    def at(self, positions: Iterable[Position]) -> dict[Position, Record]:
        return {position: self.lying[position] for position in positions if position in self.lying}


def pages(
    connection: psycopg.Connection[Any],
    selection: Selection,
    mark: Any = None,
    page_events: int = 1000,
    records: KafkaRecords | None = None,
) -> list[Page]:
    return list(EventPages(connection, records or NoRecords(), selection, mark, page_events))


def ids(found: Iterable[Page]) -> list[str]:
    return [
        (dict(chosen.record.headers)["id"] or b"").decode()
        for page in found
        for chosen in page.chosen
    ]


def business(owner: psycopg.Connection) -> list[InsertedEvent]:
    """Two contracts, three sessions of them, one in a package."""
    consumed = {
        "contractId": "contract-1",
        "sessionId": "s",
        "sessionType": "standard",
        "quantity": 1,
        "remaining": 3,
    }
    activated = {"contractId": "contract-1", "activatedAt": "2026-03-01T12:00:00Z"}
    return [
        insert_event(owner, "contract.activated", activated, "contract", "contract-1"),
        evaluate(owner, "s"),
        wrong := complete(owner, "s"),
        insert_event(owner, "service.consumed", consumed, "contract", "contract-1"),
        void(owner, "s", wrong),
        insert_event(owner, "services.session.completed", package_payload("p", 2)),
        complete(owner, "other", contractId="contract-2", mentorId="mentor-2"),
    ]


@pytest.mark.parametrize(
    "named",
    [
        {"contract": "contract-1"},
        {"contract": "contract-2"},
        {"session": "s"},
        {"package": "package-1"},
        {"mentor": "mentor-1"},
        {"mentor": "mentor-2"},
    ],
)
def test_a_subject_is_replayed_with_exactly_the_events_that_history_shows_of_it(
    owner: psycopg.Connection, named: dict[str, str]
) -> None:
    business(owner)
    shown = [str(row["id"]) for row in read_history(owner, Subject(**named)).chain]
    assert shown
    assert ids(pages(owner, Selection(**named))) == shown


def test_all_is_every_event_in_the_order_of_its_creation(owner: psycopg.Connection) -> None:
    events = business(owner)
    assert ids(pages(owner, Selection())) == [str(event.id) for event in events]


def test_times_bound_what_is_chosen_and_combine_with_a_subject(owner: psycopg.Connection) -> None:
    events = business(owner)
    since, until = events[2].created_at, events[5].created_at
    between = Selection(since=since, until=until)
    assert ids(pages(owner, between)) == [str(event.id) for event in events[2:5]]
    of_contract = Selection(since=since, contract="contract-1")
    assert ids(pages(owner, of_contract)) == [str(event.id) for event in events[2:6]]


def test_events_are_chosen_by_id_and_others_are_not(owner: psycopg.Connection) -> None:
    events = business(owner)
    named = [str(events[6].id), str(events[1].id), str(uuid.uuid4())]
    assert ids(pages(owner, Selection(events=named))) == [str(events[1].id), str(events[6].id)]
    assert pages(owner, Selection(events=named, contract="contract-2"))[0].chosen[0].source == TABLE


@pytest.mark.parametrize("selection", [Selection(), Selection(contract="contract-1")])
def test_a_replay_goes_on_after_any_page_without_a_gap_and_leaves_out_what_came_since(
    owner: psycopg.Connection, selection: Selection
) -> None:
    business(owner)
    whole = ids(pages(owner, selection))
    by_two = pages(owner, selection, page_events=2)
    assert ids(by_two) == whole
    complete(owner, "since")
    for done, page in enumerate(by_two, start=1):
        mark = json.loads(json.dumps(page.mark))
        rest = EventPages(owner, NoRecords(), selection, mark, 2)
        assert rest.total == max(len(whole) - 2 * done, 0)
        assert ids(rest) == whole[2 * done :]


def test_a_record_comes_from_kafka_only_where_it_carries_the_same_id(
    owner: psycopg.Connection,
) -> None:
    mine, stranger, gone, never = (complete(owner, name) for name in ("a", "b", "c", "d"))
    for event in (mine, stranger, gone):
        deliver(owner, event)
    places = {
        row[0]: Position("events.session", 0, row[1])
        for row in owner.execute('SELECT event_id, "offset" FROM domain_event_deliveries')
    }
    records = NoRecords()
    lying = (("id", str(mine.id).encode()), ("odd", None))
    records.lying = {
        places[mine.id]: Record("events.session", b"a", b"{ }", lying),
        places[stranger.id]: Record("events.session", b"b", b"{}", (("id", b"another"),)),
    }
    (page,) = pages(owner, Selection(), records=records)
    assert [chosen.source for chosen in page.chosen] == [KAFKA, TABLE, TABLE, TABLE]
    assert page.chosen[0].record == records.lying[places[mine.id]]
    made = page.chosen[3].record
    assert (made.topic, made.key) == ("events.session", b"d")
    ((payload,),) = owner.execute(
        "SELECT payload::text FROM domain_events WHERE id = %s", [never.id]
    )
    assert made.value == payload.encode()


def test_an_archived_event_is_replayed_from_the_archive(owner: psycopg.Connection) -> None:
    now = datetime.now(UTC)
    archived = uuid.uuid4()
    payload = {"sessionId": "old", "evaluatedAt": "2026-03-01T12:00:00Z"}
    owner.execute(
        "INSERT INTO archived_events VALUES (%s, 'session', 'old', 'services.session.evaluated',"
        " %s, NULL, %s, 'events.session', 0, 7, %s)",
        [archived, json.dumps(payload), now - timedelta(days=60), now - timedelta(days=60)],
    )
    young = complete(owner, "young")
    (page,) = pages(owner, Selection())
    assert ids([page]) == [str(archived), str(young.id)]
    assert [chosen.source for chosen in page.chosen] == [ARCHIVE, TABLE]
    assert json.loads(page.chosen[0].record.value or b"") == payload
