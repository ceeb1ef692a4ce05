"""Any order, duplication and interleaving gives the same bills and the same exceptions."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codec, topics
from schemas.records import (
    CompletedFact,
    EvaluatedFact,
    ExceptionReport,
    Payable,
    VoidedFact,
)
from stream_processors.agents.packages import PackagesAgent
from stream_processors.agents.sessions import SessionsAgent
from stream_processors.billing.facts import Fact
from stream_processors.engine.messages import InboundRecord, OutboundRecord
from stream_processors.engine.processing import Agent
from tests.unit.billing_oracle import Exceptional, Happened, Owed, expect
from tests.unit.memory_partition import MemoryPartition, fact_record, inbound, pending

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SESSIONS = ["session-1", "session-2", "session-3", "session-4"]
PACKAGES = ["package-1", "package-2"]


def _event_id(number: int) -> str:
    return f"0197f2d0-0000-7000-8000-{number:012x}"


@st.composite
def _events(draw: st.DrawFn, number: int, length: int) -> Happened:
    kind = draw(st.sampled_from(["completed", "completed", "completed", "evaluated", "voided"]))
    session = draw(st.sampled_from(SESSIONS))
    time = NOON + timedelta(minutes=draw(st.integers(0, 3)))
    if kind == "evaluated":
        return Happened(_event_id(number), kind, session, time)
    if kind == "voided":
        named = _event_id(draw(st.integers(0, length)))
        return Happened(_event_id(number), kind, session, names=named)
    package = draw(st.sampled_from([None, "package-1", "package-1", "package-2"]))
    return Happened(
        _event_id(number),
        kind,
        session,
        time,
        mentor=draw(st.sampled_from(["mentor-1", "mentor-1", "mentor-1", "mentor-2"])),
        type=draw(st.sampled_from(["single", "single", "double"])),
        evaluation_required=draw(st.sampled_from([False, False, True])),
        package=package,
        code=None if package is None else draw(st.sampled_from(["course", "course", "seminar"])),
        total=None if package is None else draw(st.sampled_from([1, 2, 2, 2, 3])),
    )


@st.composite
def _histories(draw: st.DrawFn) -> list[Happened]:
    length = draw(st.integers(1, 9))
    return [draw(_events(number, length)) for number in range(length)]


def _fact(event: Happened) -> Fact:
    if event.kind == "voided":
        return VoidedFact(event.id, event.session, event.names or "", "entered twice")
    assert event.time is not None
    if event.kind == "evaluated":
        return EvaluatedFact(event.id, event.session, event.time)
    return CompletedFact(
        event.id, event.session, "contract-1", event.mentor or "", "student-1", event.type or "",
        required_evaluation=bool(event.evaluation_required), completed_at=event.time,
        service_package_id=event.package, package_code=event.code,
        package_total_sessions=event.total,
    )  # fmt: skip


def _owed(payable: Payable) -> Owed:
    return Owed(
        payable.ledger_id, payable.mentor_id, payable.price_code,
        payable.occurred_at, payable.source_event_id, payable.session_ids,
    )  # fmt: skip


@dataclass
class _Exceptions:
    """Applies reports as stream_processors.ledger.exceptions does in billing_exceptions."""

    rows: dict[Exceptional, tuple[int, bool]] = field(default_factory=dict)

    def apply(self, report: ExceptionReport) -> None:
        key = (report.reason, report.subject, report.source_event_id or "")
        basis, stands = self.rows.get(key, (-1, False))
        if report.standing and report.basis > basis:
            self.rows[key] = (report.basis, True)
        elif not report.standing and stands and report.basis >= basis:
            self.rows[key] = (report.basis, False)

    @property
    def standing(self) -> set[Exceptional]:
        return {key for key, (_, stands) in self.rows.items() if stands}


@dataclass
class _Pipeline:
    """Both agents, with what they told so far; the last word about each bill is what counts."""

    owed: dict[str, Owed] = field(default_factory=dict)
    exceptions: _Exceptions = field(default_factory=_Exceptions)
    told: list[InboundRecord] = field(default_factory=list)
    _session_facts: MemoryPartition = field(default_factory=MemoryPartition)
    _package_facts: MemoryPartition = field(default_factory=MemoryPartition)

    def read_events(self, records: list[InboundRecord], *, crash: bool = False) -> None:
        self._carry_out(SessionsAgent(), self._session_facts, records, crash=crash)

    def read_told(self, records: list[InboundRecord], *, crash: bool = False) -> None:
        self._carry_out(PackagesAgent(), self._package_facts, records, crash=crash)

    def _carry_out(
        self, agent: Agent, partition: MemoryPartition, records: list[InboundRecord], *, crash: bool
    ) -> None:
        """One batch; in a crash its outputs have left, but its facts are not written."""
        facts = pending(partition)
        for record in records:
            self._receive(list(agent.handle(record, facts)))
        if not crash:
            partition.store(list(facts.added.items()), [])

    def _receive(self, outputs: list[OutboundRecord]) -> None:
        for output in outputs:
            if output.topic == topics.PAYABLES.name:
                self._hear(output)
            elif output.topic == topics.PACKAGE_SESSIONS.name:
                self.told.append(inbound(output))
            else:
                self.exceptions.apply(codec.decode(output.value, ExceptionReport))

    def _hear(self, output: OutboundRecord) -> None:
        said = codec.decode_payable(output.value)
        assert output.key == said.ledger_id.encode()
        if isinstance(said, Payable):
            self.owed[said.ledger_id] = _owed(said)
        else:
            self.owed.pop(said.ledger_id, None)

    @property
    def outcome(self) -> tuple[set[Owed], set[Exceptional]]:
        return set(self.owed.values()), self.exceptions.standing


def _in_order(history: list[Happened]) -> _Pipeline:
    pipeline = _Pipeline()
    for event in history:
        told = len(pipeline.told)
        pipeline.read_events([fact_record(_fact(event))])
        for record in pipeline.told[told:]:
            pipeline.read_told([record])
    return pipeline


def _in_disorder(history: list[Happened], chance: Random) -> _Pipeline:
    """Any order, with duplicates, in batches, with crashes; packages lag behind by any amount."""
    pipeline = _Pipeline()
    events = [fact_record(_fact(event)) for event in history]
    waiting = [*events, *chance.choices(events, k=chance.randrange(len(events) + 1))]
    chance.shuffle(waiting)
    untold: list[InboundRecord] = []
    while waiting or untold:
        source = waiting if waiting and (not untold or chance.random() < 0.5) else untold
        batch = [source.pop(chance.randrange(len(source))) for _ in range(min(3, len(source)))]
        crash = chance.random() < 0.2
        told = len(pipeline.told)
        if source is waiting:
            pipeline.read_events(batch, crash=crash)
        else:
            pipeline.read_told(batch, crash=crash)
        if crash:
            source.extend(batch)
        untold.extend(pipeline.told[told:])
        if pipeline.told and chance.random() < 0.2:
            # A record of long ago comes once more.
            pipeline.read_told([chance.choice(pipeline.told)])
    return pipeline


@settings(max_examples=45, deadline=None)
@given(history=_histories())
def test_bills_and_exceptions_agree_with_a_naive_reading_of_the_rules(
    history: list[Happened],
) -> None:
    assert _in_order(history).outcome == expect(history)


@settings(max_examples=60, deadline=None)
@given(history=_histories(), seed=st.integers(0, 2**32))
def test_any_order_duplication_and_interleaving_gives_the_same_bills_and_exceptions(
    history: list[Happened], seed: int
) -> None:
    assert _in_disorder(history, Random(seed)).outcome == expect(history)


@settings(max_examples=15, deadline=None)
@given(history=_histories(), seed=st.integers(0, 2**32))
def test_a_replay_of_everything_says_the_same_once_more(history: list[Happened], seed: int) -> None:
    pipeline = _in_disorder(history, Random(seed))
    before = pipeline.outcome

    pipeline.read_events([fact_record(_fact(event)) for event in history])
    pipeline.read_told(list(pipeline.told))

    assert pipeline.outcome == before


@pytest.mark.parametrize("seed", range(5))
def test_ledger_ids_are_those_of_the_subjects_in_any_order(seed: int) -> None:
    """Pinned: another id would bill every session of the past a second time."""
    history = [
        Happened(
            _event_id(number), "completed", f"session-{number}", NOON,
            mentor="mentor-1", type="single", evaluation_required=False,
            package="package-1" if number > 1 else None,
            code="course" if number > 1 else None, total=2 if number > 1 else None,
        )
        for number in (1, 2, 3)
    ]  # fmt: skip

    owed, _ = _in_disorder(history, Random(seed)).outcome

    assert {bill.ledger_id: bill.sessions for bill in owed} == {
        "e853806a-84ff-50e1-a61b-5c765a09e1d5": ("session-1",),
        "1fb3e829-e583-5670-9741-1013f27f91a1": ("session-2", "session-3"),
    }
