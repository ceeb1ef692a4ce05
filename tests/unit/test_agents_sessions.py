import json
import uuid
from dataclasses import replace
from typing import Any

import pytest

from schemas import codec, topics
from schemas.errors import UnknownFingerprint
from schemas.records import (
    ContractActivated,
    ExceptionReport,
    PackageSession,
    Payable,
    SessionEvaluated,
)
from stream_processors.agents.sessions import SessionsAgent
from stream_processors.billing.facts import session_fact_key
from stream_processors.engine.messages import InboundRecord, OutboundRecord
from tests.unit.billing_records import NOON, completed, event_id, in_package, voided
from tests.unit.memory_partition import (
    MemoryPartition,
    event_record,
    fact_record,
    pending,
)

GOOD = fact_record(completed(1), offset=7)
MESSAGE_BYTES_MAX = int(topics.DEAD_LETTERS.config["max.message.bytes"])


def _handle(
    *records: InboundRecord, partition: MemoryPartition | None = None
) -> list[OutboundRecord]:
    """Return what follows from the last of some records."""
    facts = pending(partition or MemoryPartition())
    outputs: list[OutboundRecord] = []
    for record in records:
        outputs = list(SessionsAgent().handle(record, facts))
    return outputs


def _only_report(*records: InboundRecord) -> ExceptionReport:
    [output] = _handle(*records)
    assert output.topic == "billing.dead-letters"
    report = codec.decode(output.value, ExceptionReport)
    assert output.key == report.subject.encode()
    return report


def test_a_session_by_itself_becomes_a_payable_keyed_by_its_ledger_id() -> None:
    [output] = _handle(GOOD)

    payable = codec.decode(output.value, Payable)
    assert output.topic == "billing.payables"
    assert output.key == payable.ledger_id.encode() == b"e853806a-84ff-50e1-a61b-5c765a09e1d5"
    assert output.partition is None
    assert payable.session_id == "session-1"


def test_a_session_of_a_package_is_told_to_it_keyed_by_the_package() -> None:
    [output] = _handle(fact_record(in_package(1)))

    told = codec.decode(output.value, PackageSession)
    assert (output.topic, output.key) == ("billing.package-sessions", b"package-1")
    assert told.completed == (in_package(1),)


def test_a_repeated_event_says_everything_again() -> None:
    partition = MemoryPartition()
    facts = pending(partition)
    first = list(SessionsAgent().handle(GOOD, facts))
    partition.store(list(facts.added.items()), [])
    again = pending(partition)

    assert list(SessionsAgent().handle(replace(GOOD, offset=99), again)) == first
    assert again.added == {}


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (None, "has no value"),
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b"{}", "sessionId: is missing or null"),
        (b"[" * 100_000, "is not JSON"),
        (GOOD.value.replace(b"session-1", b"session\\u0000"), "sessionId: holds U+0000"),  # type: ignore[union-attr]
        (GOOD.value.replace(b"2026-03", b"9999-03"), "completedAt"),  # type: ignore[union-attr]
        (GOOD.value.replace(b"T12:", b"T25:"), "completedAt"),  # type: ignore[union-attr]
        (GOOD.value.replace(b"false", b'"no"'), "requiredEvaluation: is not a boolean"),  # type: ignore[union-attr]
    ],
)
def test_a_value_that_is_no_such_event_is_undecodable(value: bytes | None, error: str) -> None:
    report = _only_report(replace(GOOD, value=value))

    assert report.reason == "undecodable"
    assert report.subject == "events.session[0]@7"
    assert report.source_event_id == event_id(1)
    assert (report.standing, report.basis) == (True, 0)
    assert error in report.error


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"eventType": b"services.session.completed"},
        {"id": event_id(1).encode()},
        {"id": None, "eventType": b"services.session.completed"},
        {"id": event_id(1).encode(), "eventType": None},
        {"id": b"not-a-uuid", "eventType": b"services.session.completed"},
        {"id": b"\xff" * 16, "eventType": b"services.session.completed"},
        {"id": b"", "eventType": b"services.session.completed"},
    ],
)
def test_a_record_whose_headers_name_no_event_is_undecodable(
    headers: dict[str, bytes | None],
) -> None:
    report = _only_report(replace(GOOD, headers=headers))

    assert report.reason == "undecodable"
    assert "has no header id (a uuid) and eventType" in report.error


def test_an_undecodable_record_without_an_id_names_no_event() -> None:
    assert _only_report(replace(GOOD, headers={})).source_event_id is None


def test_an_id_is_known_by_its_value_not_by_its_spelling() -> None:
    loud = uuid.UUID(event_id(1)).hex.upper().encode()

    [output] = _handle(replace(GOOD, headers={**GOOD.headers, "id": loud}))

    assert codec.decode(output.value, Payable).source_event_id == event_id(1)


@pytest.mark.parametrize("key", [None, b"", b"session-2", b"session-1 ", b"\xff"])
def test_a_key_other_than_the_session_is_undecodable(key: bytes | None) -> None:
    report = _only_report(replace(GOOD, key=key))

    assert report.reason == "undecodable"
    assert "is not the sessionId 'session-1'" in report.error


@pytest.mark.parametrize("event_type", [b"services.session.started", b"", b"\xff"])
def test_an_unknown_event_type_is_reported_as_such(event_type: bytes) -> None:
    report = _only_report(replace(GOOD, headers={**GOOD.headers, "eventType": event_type}))

    assert report.reason == "unknown_event_type"
    assert report.source_event_id == event_id(1)


def test_a_known_event_type_in_the_wrong_topic_is_reported_as_unknown() -> None:
    stray = event_record(ContractActivated("session-1", NOON), event_id(1))

    report = _only_report(stray)

    assert report.reason == "unknown_event_type"
    assert "contract.activated does not belong into events.session" in report.error


def test_one_event_id_with_other_contents_is_unprocessable_and_changes_nothing() -> None:
    liar = fact_record(completed(1, mentor_id="mentor-2"), offset=8)
    partition = MemoryPartition()

    [report] = _handle(GOOD, liar, partition=partition)
    [said_again] = _handle(GOOD, liar, GOOD, partition=partition)

    assert codec.decode(report.value, ExceptionReport).reason == "unprocessable"
    assert codec.decode(report.value, ExceptionReport).subject == "events.session[0]@8"
    assert codec.decode(said_again.value, Payable).mentor_id == "mentor-1"


def test_what_is_not_billed_by_may_differ_under_one_event_id() -> None:
    first = event_record(SessionEvaluated("session-1", NOON, rating=1), event_id(1))
    second = event_record(SessionEvaluated("session-1", NOON, rating=5), event_id(1))

    assert _handle(first, second) == []


def test_a_bad_record_adds_no_fact() -> None:
    facts = pending(MemoryPartition())

    for bad in (replace(GOOD, value=None), replace(GOOD, headers={}), replace(GOOD, key=None)):
        list(SessionsAgent().handle(bad, facts))

    assert facts.added == {}


def test_a_conflict_is_reported_under_its_session() -> None:
    outputs = _handle(GOOD, fact_record(completed(2, mentor_id="mentor-2")))

    reports = [codec.decode(each.value, ExceptionReport) for each in outputs[1:]]
    assert [(each.subject, each.source_event_id, each.standing) for each in reports] == [
        ("session-1", event_id(1), False),
        ("session-1", event_id(2), True),
    ]
    assert json.loads(reports[1].record)["mentor_id"] == "mentor-2"


def test_a_fact_of_a_newer_release_ends_the_process_instead_of_becoming_a_dead_letter() -> None:
    partition = MemoryPartition()
    fact = completed(1)
    newer = b"\xc3\x01" + b"unknown!" + codec.encode(fact)[10:]
    partition.stored[session_fact_key(fact)] = newer

    for record in (GOOD, fact_record(voided(2, 1))):
        with pytest.raises(UnknownFingerprint):
            _handle(record, partition=partition)


def test_the_report_of_a_record_holds_all_of_it() -> None:
    report = _only_report(replace(GOOD, value=b"{\xff", headers={"id": b"\xfe", "note": b"text"}))

    assert json.loads(report.record) == {
        "topic": "events.session",
        "partition": 0,
        "offset": 7,
        "key": "session-1",
        "value_base64": "e/8=",
        "headers": [{"name": "id", "value_base64": "/g=="}, {"name": "note", "value": "text"}],
    }


def test_a_quarantined_record_is_unprocessable_with_its_bytes() -> None:
    output = SessionsAgent().quarantine(GOOD, 3)
    report = codec.decode(output.value, ExceptionReport)

    assert (report.reason, report.subject) == ("unprocessable", "events.session[0]@7")
    assert report.source_event_id == event_id(1)
    assert "died 3 times" in report.error
    assert json.loads(report.record)["value"] == (GOOD.value or b"").decode()


@pytest.mark.parametrize(
    "changes",
    [
        {"value": b"\xff" * 2_000_000},
        {"value": "é".encode() * 1_000_000},
        {"key": b"\xff" * 2_000_000},
        {"headers": {"eventType": b"\xff" * 2_000_000, "id": event_id(1).encode()}},
        {"headers": {"x" * 2_000_000: b""}},
    ],
    ids=["bytes", "text", "key", "header", "header name"],
)
def test_the_report_of_a_record_of_any_size_fits_into_a_record(changes: dict[str, Any]) -> None:
    """Else its report could never be sent, and its partition would stand still for ever."""
    record = replace(GOOD, **changes)

    outputs = [*_handle(record), SessionsAgent().quarantine(record, 3)]

    for output in outputs:
        assert len(output.value) + len(output.key) < MESSAGE_BYTES_MAX - 100_000
        report = json.loads(codec.decode(output.value, ExceptionReport).record)
        assert (report["topic"], report["partition"], report["offset"]) == ("events.session", 0, 7)
        assert "events.session[0]@7" in report["cut"]
