import math
from datetime import UTC, datetime, timedelta, timezone

import pytest

from schemas.codec import decode_event, encode_event
from schemas.definitions import load_events
from schemas.errors import SchemaError, Undecodable, UnknownEventType
from schemas.records import (
    ContractSigned,
    ServiceQuantity,
    SessionCompleted,
    SessionEvaluated,
    SessionVoided,
    UserSignup,
)
from tests.contract.payload_cases import CASES, COMPLETED, VALID, VOIDED, changed, nested

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def refusal(event_type: str, value: bytes | None) -> str:
    with pytest.raises(Undecodable) as caught:
        decode_event(event_type, value)
    return str(caught.value)


@pytest.mark.parametrize(("event_type", "text", "problem"), CASES, ids=range(len(CASES)))
def test_a_payload_is_decoded_or_refused_in_the_words_of_the_contract(
    event_type: str,
    text: str,
    problem: str | None,
) -> None:
    if problem is None:
        assert decode_event(event_type, text.encode()).event_type == event_type
    else:
        assert refusal(event_type, text.encode()) == f"{event_type}: {problem}"


def test_a_completed_event_becomes_a_record_with_its_time_in_utc() -> None:
    text = changed(
        COMPLETED,
        {
            "completedAt": "2026-03-01T14:00:00.25+02:00",
            "servicePackageId": "p-1",
            "packageCode": "ten",
            "packageTotalSessions": 10,
            "durationMinutes": 45,
            "unknownToUs": True,
        },
    )
    assert decode_event(COMPLETED, text.encode()) == SessionCompleted(
        session_id="s-1",
        contract_id="c-1",
        mentor_id="m-1",
        student_id="st-1",
        session_type="mock_interview",
        required_evaluation=False,
        completed_at=NOON + timedelta(milliseconds=250),
        service_package_id="p-1",
        package_code="ten",
        package_total_sessions=10,
        duration_minutes=45.0,
    )


def test_the_time_of_a_decoded_event_is_in_utc_itself_not_only_equal() -> None:
    text = changed("user.signup", {"signedUpAt": "2026-03-01T14:00:00+02:00"})
    event = decode_event("user.signup", text.encode())
    assert isinstance(event, UserSignup)
    assert event.signed_up_at.tzinfo is UTC


def test_the_services_of_a_contract_become_records() -> None:
    event = decode_event("contract.signed", changed("contract.signed", {}).encode())
    assert isinstance(event, ContractSigned)
    assert event.services == (ServiceQuantity("mock_interview", 2), ServiceQuantity("resume", 1))


def test_the_id_of_a_voided_event_is_canonical_lower_case() -> None:
    event = decode_event(VOIDED, changed(VOIDED, {}).encode())
    assert isinstance(event, SessionVoided)
    assert event.event_id == "0197f2d0-0000-7000-8000-00000000000a"


@pytest.mark.parametrize("event_type", VALID)
def test_an_event_knows_its_aggregate_as_its_schema_does(event_type: str) -> None:
    event = decode_event(event_type, changed(event_type, {}).encode())
    schema = load_events()[event_type]
    own_id = VALID[event_type][schema.aggregate_id]
    assert (event.aggregate_type, event.aggregate_id) == (schema.aggregate_type, own_id)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "the record has no value"),
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"not json", "is not JSON"),
        (b'{"sessionId": NaN}', "is not JSON"),
        (b'{"sessionId": "\xff"}', "is not JSON"),
        (b"\xef\xbb\xbf{}", "is not JSON"),
        (b'{"sessionId": "\\ud800"}', "is not JSON"),
        (b'{"sessionId": "\xed\xa0\x80"}', "is not JSON"),
        (nested(1025).encode(), "is not JSON"),
        (nested(300_000).encode(), "is not JSON"),
        (b'{"more": 1e309}', "is not JSON"),
        (b" " * 900_001, "is larger than 900000 bytes"),
    ],
)
def test_bytes_that_are_no_json_text_are_undecodable(value: bytes | None, problem: str) -> None:
    assert refusal(COMPLETED, value).startswith(f"{COMPLETED}: {problem}")


@pytest.mark.parametrize("field", ["sessionId", "mentorId", "completedAt"])
def test_a_nul_in_a_known_field_is_refused_by_its_name(field: str) -> None:
    text = changed(COMPLETED, {field: "a\0b"})
    assert refusal(COMPLETED, text.encode()).startswith(f"{COMPLETED}: {field}: ")


def test_a_nul_in_an_extra_field_concerns_nobody() -> None:
    event = decode_event(COMPLETED, changed(COMPLETED, {"extra": "a\0b"}).encode())
    assert event.aggregate_id == "s-1"


def test_an_unknown_event_type_is_refused_with_those_known() -> None:
    with pytest.raises(UnknownEventType, match="'vanished' is not an event type") as caught:
        decode_event("vanished", b"{}")
    assert all(event_type in str(caught.value) for event_type in VALID)


def test_every_refusal_is_a_schema_error() -> None:
    assert issubclass(Undecodable, SchemaError)
    assert issubclass(UnknownEventType, SchemaError)


def test_an_event_is_written_in_camel_case_without_what_is_none() -> None:
    event = SessionEvaluated("s-1", NOON)
    assert encode_event(event) == ('{"sessionId":"s-1","evaluatedAt":"2026-03-01T12:00:00+00:00"}')


def test_the_services_of_a_contract_are_written_out() -> None:
    text = encode_event(ContractSigned("c-1", "st-1", NOON, (ServiceQuantity("resume", 3),)))
    assert '"services":[{"sessionType":"resume","quantity":3}]' in text


def test_a_naive_time_is_refused_rather_than_guessed() -> None:
    naive = datetime(2026, 3, 1)  # noqa: DTZ001
    with pytest.raises(ValueError, match=r"user\.signup: 2026-03-01T00:00:00 has no time zone"):
        encode_event(UserSignup("u-1", naive))


@pytest.mark.parametrize("year", [1960, 3001])
def test_a_time_that_no_payload_may_hold_is_not_written(year: int) -> None:
    with pytest.raises(ValueError, match=r"user\.signup: "):
        encode_event(UserSignup("u-1", datetime(year, 1, 1, tzinfo=UTC)))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_cannot_hold_is_not_written(number: float) -> None:
    with pytest.raises(ValueError, match="evaluated: JSON cannot hold the number"):
        encode_event(SessionEvaluated("s-1", NOON, rating=number))


@pytest.mark.parametrize(
    "text",
    ["1970-01-01T00:00:00+23:59", "2999-12-31T23:59:59.999999-23:59"],
)
def test_an_instant_just_outside_the_years_is_written_so_that_it_can_be_read(text: str) -> None:
    payload = changed("user.signup", {"signedUpAt": text})
    event = decode_event("user.signup", payload.encode())
    assert decode_event("user.signup", encode_event(event).encode()) == event


def test_a_time_in_another_zone_is_written_in_utc() -> None:
    local = NOON.astimezone(timezone(timedelta(hours=-7)))
    assert '"signedUpAt":"2026-03-01T12:00:00+00:00"' in encode_event(UserSignup("u-1", local))
