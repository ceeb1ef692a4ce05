"""The work of the side-by-side benchmark: as many bills as the rules say."""

import uuid

import pytest

from benchmarks.side_by_side.work import MIX, SINGLES, Work
from schemas import topics
from stream_processors.agents.packages import PackagesAgent
from stream_processors.agents.sessions import SessionsAgent
from stream_processors.engine.messages import InboundRecord
from tests.unit.memory_partition import MemoryPartition, inbound, pending


def billed(work: Work) -> set[bytes]:
    """Return the ledger ids that follow from all events of a work."""
    sessions, packages = pending(MemoryPartition()), pending(MemoryPartition())
    ids = set()
    for number in range(work.sessions):
        for event in work.events_of(number):
            record = InboundRecord(
                topics.EVENTS_SESSION.name,
                0,
                0,
                event.session_id.encode(),
                event.payload.encode(),
                {"id": str(uuid.uuid4()).encode(), "eventType": event.event_type.encode()},
            )
            outputs = list(SessionsAgent().handle(record, sessions))
            for told in [each for each in outputs if each.topic == topics.PACKAGE_SESSIONS.name]:
                outputs += PackagesAgent().handle(inbound(told), packages)
            ids |= {each.key for each in outputs if each.topic == topics.PAYABLES.name}
    return ids


@pytest.mark.parametrize("kind", [SINGLES, MIX])
@pytest.mark.parametrize("sessions", [0, 1, 9, 10, 11, 20, 29, 30, 45])
def test_a_work_knows_how_many_bills_and_events_it_comes_to(kind: str, sessions: int) -> None:
    work = Work("run", kind, sessions)

    assert len(billed(work)) == work.bills
    assert sum(1 for number in range(sessions) for _ in work.events_of(number)) == work.events


def test_every_session_has_a_mentor_whose_prices_are_there() -> None:
    work = Work("run", MIX, 2_500)
    events = (event for number in range(work.sessions) for event in work.events_of(number))
    mentors = {
        event.payload.split('"mentorId": "')[1].split('"')[0]
        for event in events
        if event.event_type.endswith("completed")
    }

    assert mentors == set(work.mentors())
