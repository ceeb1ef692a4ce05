"""The worker's counters move by exactly what was processed, once it was processed."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from schemas import topics
from stream_processors.engine import processing
from stream_processors.engine.counting import count_batch
from stream_processors.engine.messages import InboundRecord, OutboundRecord
from tests.counters import Moved
from tests.unit.engine_fakes import Ended, Engine, record

COMPLETED = "services.session.completed"


def event(offset: int, event_type: str = COMPLETED) -> InboundRecord:
    headers = {"eventType": event_type.encode()}
    return InboundRecord("events.session", 0, offset, b"key", b"{}", headers)


def payable(kind: str) -> OutboundRecord:
    return OutboundRecord(topics.PAYABLES.name, b"key", b"", counted_as=kind)


def report(reason: str) -> OutboundRecord:
    return OutboundRecord(topics.DEAD_LETTERS.name, b"key", b"", counted_as=reason)


EVENTS = "event_processed_total"
PAYABLES = "outbox_payables_emitted_total"
EXCEPTIONS = "outbox_exceptions_reported_total"
BATCHES = "outbox_batch_duration_seconds_count"


@pytest.fixture
def moved() -> Moved:
    return Moved(EVENTS, PAYABLES, EXCEPTIONS, BATCHES)


def test_events_count_by_type_and_by_whether_a_rule_could_be_applied(moved: Moved) -> None:
    events = [event(0), event(1), event(2, "services.session.evaluated"), event(3)]
    outputs = [[payable("session")], [report("session_conflict")], [], [report("undecodable")]]
    count_batch(zip(events, outputs, strict=True))
    assert moved.by() == {
        (EVENTS, COMPLETED, "processed"): 2,
        (EVENTS, COMPLETED, "refused"): 1,
        (EVENTS, "services.session.evaluated", "processed"): 1,
        (PAYABLES, "session"): 1,
        (EXCEPTIONS, "session_conflict"): 1,
        (EXCEPTIONS, "undecodable"): 1,
    }


def test_a_type_that_somebody_made_up_makes_no_series_of_its_own(moved: Moved) -> None:
    count_batch([(event(0, "made.up"), []), (replace(event(1), headers={}), [])])
    assert moved.by() == {(EVENTS, "unknown", "processed"): 2}


def test_what_one_agent_tells_another_is_no_event(moved: Moved) -> None:
    count_batch([(replace(event(0), topic=topics.PACKAGE_SESSIONS.name), [payable("package")])])
    assert moved.by() == {(PAYABLES, "package"): 1}


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    def end_process(doing: str, error: BaseException) -> None:
        raise Ended(doing) from error

    monkeypatch.setattr(processing, "end_process", end_process)
    made = Engine(tmp_path)
    made.agent.scripts["source[0]@0"] = lambda: [payable("session")]
    return made


def test_a_batch_that_is_decided_again_counts_once(engine: Engine, moved: Moved) -> None:
    asyncio.run(engine.processor.assigned([0]))
    engine.table.partitions[0].foreign = {b"other": b"fact"}
    asyncio.run(engine.processor.process([record(0)]))
    assert moved.by() == {(PAYABLES, "session"): 1, (BATCHES, "source"): 1}
    assert len(engine.agent.handled) == 2


def test_a_batch_that_was_not_delivered_counts_as_nothing(engine: Engine, moved: Moved) -> None:
    asyncio.run(engine.processor.assigned([0]))
    engine.outbound.fault = lambda _: ZeroDivisionError()
    with pytest.raises(Ended):
        asyncio.run(engine.processor.process([record(0)]))
    assert moved.by() == {}
