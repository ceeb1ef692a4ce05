"""What a worker writes says which event it comes from, whichever agent wrote it."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from schemas import topics
from stream_processors.agents.packages import PackagesAgent
from stream_processors.agents.sessions import SessionsAgent
from stream_processors.engine.messages import InboundRecord, OutboundRecord
from stream_processors.engine.origin import origin_of
from stream_processors.engine.processing import Agent
from tests.unit.billing_records import completed, event_id, in_package
from tests.unit.engine_fakes import CHANGELOG, Engine, record
from tests.unit.memory_partition import event_of, event_record, inbound

TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CREATED_AT = b"2026-03-01T12:00:00.123456Z"
OF_THE_EVENT = {
    "eventId": event_id(1).encode(),
    "createdAt": CREATED_AT,
    "traceparent": TRACEPARENT,
}


def _event(session_is_of_a_package: bool) -> InboundRecord:
    fact = in_package(1) if session_is_of_a_package else completed(1)
    return event_record(
        event_of(fact), fact.event_id, createdAt=CREATED_AT, traceparent=TRACEPARENT
    )


def _emitted(agent: Agent, directory: Path, *records: InboundRecord) -> list[OutboundRecord]:
    engine = Engine(directory, agent)
    asyncio.run(engine.processor.process(records))
    [batch] = engine.outbound.sent
    return [each for each in batch if each.topic != CHANGELOG]


def _headers(emitted: OutboundRecord) -> Mapping[str, bytes]:
    return dict(emitted.headers)


@pytest.mark.parametrize(
    ("event", "topic"),
    [
        (_event(session_is_of_a_package=False), topics.PAYABLES),
        (_event(session_is_of_a_package=True), topics.PACKAGE_SESSIONS),
        (replace(_event(session_is_of_a_package=False), value=b"{"), topics.DEAD_LETTERS),
    ],
)
def test_what_an_event_causes_says_which_event_that_was(
    event: InboundRecord, topic: topics.Topic, tmp_path: Path
) -> None:
    [emitted] = _emitted(SessionsAgent(), tmp_path, event)

    assert emitted.topic == topic.name
    assert _headers(emitted) == OF_THE_EVENT


def test_a_package_is_told_by_the_event_that_completed_it(tmp_path: Path) -> None:
    events = [_event(session_is_of_a_package=True)]
    other = in_package(2, "session-2")
    events.append(event_record(event_of(other), other.event_id, createdAt=b"later"))
    told = _emitted(SessionsAgent(), tmp_path / "sessions", *events)

    [payable] = _emitted(
        PackagesAgent(), tmp_path / "packages", *(inbound(each, i) for i, each in enumerate(told))
    )

    assert payable.topic == topics.PAYABLES.name
    assert _headers(payable) == {"eventId": event_id(2).encode(), "createdAt": b"later"}


def test_the_report_of_a_record_that_is_quarantined_says_its_event(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    event = replace(record(0), headers={"id": b"event-1"})
    for _ in range(3):
        engine.processor._journal.take_up(event.position)
        engine.start()

    asyncio.run(engine.processor.process([event]))

    [dead] = engine.outbound.sent[0]
    assert (dead.topic, _headers(dead)) == ("dead", {"eventId": b"event-1"})


def test_rows_of_the_changelog_bear_no_headers(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    asyncio.run(engine.processor.process([replace(record(0), headers=OF_THE_EVENT)]))

    assert [each.headers for each in engine.outbound.sent[0] if each.topic == CHANGELOG] == [()]


def test_what_a_record_does_not_say_is_not_said_of_it() -> None:
    nothing = origin_of(record(0))
    without_trace = origin_of(replace(record(0), headers={"id": b"1", "traceparent": None}))

    assert nothing.headers == ()
    assert without_trace.headers == (("eventId", b"1"),)


def test_a_header_that_is_too_long_for_the_connector_s_is_not_handed_on() -> None:
    strangers: dict[str, bytes | None] = {"id": b"1", "traceparent": b"0" * 2_000_000}

    assert origin_of(replace(record(0), headers=strangers)).headers == (("eventId", b"1"),)


def test_the_event_that_a_billing_record_names_goes_before_an_id_of_its_own() -> None:
    both: dict[str, bytes | None] = {"id": b"record", "eventId": b"event"}

    assert origin_of(replace(record(0), headers=both)).event_id == b"event"
