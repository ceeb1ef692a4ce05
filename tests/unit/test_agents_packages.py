import json
from dataclasses import replace

import pytest

from schemas import codec
from schemas.errors import UnknownFingerprint
from schemas.records import ExceptionReport, PackageSession, Payable
from stream_processors.agents.emitting import package_session_record
from stream_processors.agents.packages import PackagesAgent
from stream_processors.billing.facts import Fact
from stream_processors.billing.sessions import decide_session
from stream_processors.engine.messages import InboundRecord, OutboundRecord
from tests.unit.billing_records import (
    completed,
    evaluated,
    event_id,
    in_package,
    session_facts,
    voided,
)
from tests.unit.memory_partition import MemoryPartition, inbound, pending


def _told(*facts: Fact, offset: int = 5) -> InboundRecord:
    """Return what the sessions agent tells the first package about one session."""
    session = decide_session(session_facts(*facts)).package_sessions[0]
    return inbound(package_session_record(session), offset)


def _handle(
    *records: InboundRecord, partition: MemoryPartition | None = None
) -> list[OutboundRecord]:
    facts = pending(partition or MemoryPartition())
    outputs: list[OutboundRecord] = []
    for record in records:
        outputs = list(PackagesAgent().handle(record, facts))
    return outputs


def _only_report(*records: InboundRecord) -> ExceptionReport:
    [output] = _handle(*records)
    assert output.topic == "billing.dead-letters"
    return codec.decode(output.value, ExceptionReport)


FIRST, SECOND = _told(in_package(1, "session-1")), _told(in_package(2, "session-2"))


def test_a_package_short_of_a_session_says_nothing() -> None:
    assert _handle(FIRST) == []


def test_a_complete_package_becomes_a_payable_keyed_by_its_ledger_id() -> None:
    [output] = _handle(FIRST, SECOND)

    payable = codec.decode(output.value, Payable)
    assert output.topic == "billing.payables"
    assert output.key == payable.ledger_id.encode() == b"1fb3e829-e583-5670-9741-1013f27f91a1"
    assert payable.session_ids == ("session-1", "session-2")


def test_a_repeated_record_says_everything_again() -> None:
    partition = MemoryPartition()
    facts = pending(partition)
    list(PackagesAgent().handle(FIRST, facts))
    said = list(PackagesAgent().handle(SECOND, facts))
    partition.store(list(facts.added.items()), [])
    again = pending(partition)

    assert list(PackagesAgent().handle(FIRST, again)) == said
    assert again.added == {}


def test_each_record_of_a_batch_is_decided_by_itself() -> None:
    """One batch can take a package from one short to one over."""
    facts = pending(MemoryPartition())
    third = _told(in_package(3, "session-3"))

    counts = [len(list(PackagesAgent().handle(each, facts))) for each in (FIRST, SECOND, third)]

    assert counts == [0, 1, 1 + 2 * 3]


def test_an_old_record_of_a_session_takes_nothing_back() -> None:
    old = _told(in_package(1, "session-1", required_evaluation=True))
    new = _told(in_package(1, "session-1", required_evaluation=True), evaluated(3, "session-1"))

    assert len(_handle(SECOND, new, old)) == 1


def test_packages_are_kept_apart() -> None:
    other = _told(in_package(3, "session-3", service_package_id="package-10"))

    assert _handle(FIRST, other) == []


def test_exceptions_are_reported_under_the_package() -> None:
    outputs = _handle(FIRST, SECOND, _told(in_package(3, "session-3")))

    reports = [codec.decode(each.value, ExceptionReport) for each in outputs[1:]]
    assert {each.subject for each in reports} == {"package-1"}
    assert [(r.reason, r.source_event_id) for r in reports if r.standing] == [
        ("package_exceeded", event_id(3))
    ]


def test_a_withdrawn_session_withdraws_its_report() -> None:
    conflict = in_package(2, "session-2", mentor_id="mentor-2")
    outputs = _handle(
        FIRST, _told(conflict), _told(conflict, voided(3, named=2, session_id="session-2"))
    )

    reports = [codec.decode(each.value, ExceptionReport) for each in outputs[1:]]
    assert not any(each.standing for each in reports)
    assert ("package_conflict", event_id(2)) in {(r.reason, r.source_event_id) for r in reports}


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{}",
        b"\xc3\x01",
        codec.encode(completed(1)),
        (FIRST.value or b"")[:-1],
        (FIRST.value or b"") + b"\0",
    ],
    ids=["null", "empty", "JSON", "header", "another record", "torn", "with a tail"],
)
def test_what_is_no_package_session_is_undecodable(value: bytes | None) -> None:
    report = _only_report(replace(FIRST, value=value))

    assert report.reason == "undecodable"
    assert report.subject == "billing.package-sessions[0]@5"


def test_a_record_of_a_newer_release_ends_the_process_instead_of_becoming_a_dead_letter() -> None:
    newer = b"\xc3\x01" + b"unknown!" + (FIRST.value or b"")[10:]

    with pytest.raises(UnknownFingerprint):
        _handle(replace(FIRST, value=newer))


def test_one_event_id_with_other_contents_is_unprocessable_and_the_first_is_kept() -> None:
    partition = MemoryPartition()
    liar = _told(in_package(1, "session-1", mentor_id="mentor-2"), offset=6)

    [report] = _handle(FIRST, liar, partition=partition)
    [output] = _handle(FIRST, liar, SECOND, partition=partition)

    assert codec.decode(report.value, ExceptionReport).reason == "unprocessable"
    assert codec.decode(output.value, Payable).mentor_id == "mentor-1"


def test_what_else_a_contradicted_record_says_still_counts() -> None:
    """A package that never learned of the evaluation would never be billed."""
    waiting = in_package(1, "session-1", required_evaluation=True)
    liar = _told(replace(waiting, mentor_id="mentor-2"), evaluated(3, "session-1"))
    partition = MemoryPartition()

    outputs = _handle(_told(waiting), liar, SECOND, partition=partition)

    assert [codec.decode(each.value, Payable).mentor_id for each in outputs] == ["mentor-1"]


def test_a_package_without_terms_ends_in_quarantine_rather_than_in_a_bill() -> None:
    """Only somebody else's producer can write it: the event schemas refuse it."""
    nothing = PackageSession("package-1", "session-1", (in_package(1, total=0),), (), ())
    record = replace(FIRST, value=codec.encode(nothing))

    with pytest.raises(ValueError, match="empty"):
        _handle(record)
    report = codec.decode(PackagesAgent().quarantine(record, 3).value, ExceptionReport)
    assert (report.reason, report.source_event_id) == ("unprocessable", None)
    assert "died 3 times of the record at billing.package-sessions[0]@5" in report.error
    assert "value_base64" in json.loads(report.record)
