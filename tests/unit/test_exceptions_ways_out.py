import uuid
from typing import Any

import pytest

from operations.exceptions.resending import send_again, stored_record
from operations.exceptions.ways_out import CONFLICTS, WayOut, refusal, way_out
from operations.failures import ProblemError


def row(reason: str, record: dict[str, Any] | None, status: str = "failed") -> dict[str, Any]:
    return {
        "id": uuid.UUID(int=7),
        "reason": reason,
        "status": status,
        "subject": "s",
        "source_event_id": uuid.UUID(int=8),
        "resolution": "posted",
        "record": record,
    }


@pytest.mark.parametrize("reason", ["price_missing", "timeout", "unprocessable"])
def test_a_payable_is_posted_again_whatever_kept_it_out(reason: str) -> None:
    exception = row(reason, {"payable": {}})
    assert way_out(exception) is WayOut.POST_AGAIN
    assert refusal(exception) is None


@pytest.mark.parametrize("reason", ["undecodable", "unknown_event_type", "unprocessable"])
def test_the_bytes_of_a_record_are_sent_again(reason: str) -> None:
    exception = row(reason, {"topic": "events.session"})
    assert way_out(exception) is WayOut.SEND_AGAIN
    assert refusal(exception) is None


@pytest.mark.parametrize("reason", CONFLICTS)
def test_a_conflict_is_refused_with_what_a_person_can_do(reason: str) -> None:
    said = refusal(row(reason, {"payable": {}} if reason == "ledger_conflict" else {}))
    assert said is not None
    assert f"outbox exceptions dismiss {uuid.UUID(int=7)}" in said
    way = "outbox ledger correct" if reason == "ledger_conflict" else f"--void {uuid.UUID(int=8)}"
    assert way in said
    assert ("--bill-singly" in said) == (reason == "package_exceeded")


def test_an_excess_session_that_a_person_decided_to_bill_is_posted_again() -> None:
    exception = row("package_exceeded", {"session_id": "s", "payable": {}})
    assert way_out(exception) is WayOut.POST_AGAIN
    assert refusal(exception) is None


def test_a_bill_that_another_one_kept_out_is_posted_again() -> None:
    exception = row("ledger_conflict", {"payable": {}, "refused": "23505"})
    assert way_out(exception) is WayOut.POST_AGAIN


def test_what_is_resolved_or_empty_is_not_tried_again() -> None:
    assert "already resolved (posted)" in str(refusal(row("timeout", {"payable": {}}, "resolved")))
    assert "holds nothing that could be tried" in str(refusal(row("undecodable", None)))


def test_a_dismissed_one_may_be_tried_again_by_a_person() -> None:
    assert refusal(row("timeout", {"payable": {}}, "dismissed")) is None


def test_a_stored_record_gives_back_its_bytes_as_they_were() -> None:
    record = stored_record(
        {
            "topic": "events.session",
            "partition": 3,
            "offset": 41,
            "key": "s-ü",
            "value_base64": "/wA=",
            "headers": [
                {"name": "id", "value": "x"},
                {"name": "odd", "value_base64": "/w=="},
                {"name": "empty", "value": None},
            ],
        }
    )
    assert record.position == "events.session[3]@41"
    assert record.key == "s-ü".encode()
    assert record.value == b"\xff\x00"
    assert record.headers == (("id", b"x"), ("odd", b"\xff"), ("empty", None))


def test_a_record_without_a_value_stays_without() -> None:
    record = {"topic": "t", "partition": 0, "offset": 0, "key": None, "value": None, "headers": []}
    assert stored_record(record).value is None
    assert stored_record(record).key is None


def test_a_record_of_which_only_the_beginning_is_kept_is_not_sent_again_as_if_it_were_whole() -> (
    None
):
    record = {"topic": "t", "partition": 0, "offset": 7, "key": "k", "headers": [], "value": "{"}
    kept = stored_record({**record, "cut": "3000000 bytes: all of it stands at t[0]@7"})
    with pytest.raises(ProblemError, match="t\\[0\\]@7"):
        send_again("127.0.0.1:1", [kept])
