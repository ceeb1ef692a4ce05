"""Whatever is put in: what is written can be read, and garbage raises nothing but SchemaError."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import decode, decode_event, encode, encode_event
from schemas.errors import SchemaError
from schemas.records import (
    BillingRecord,
    CompletedFact,
    ContractActivated,
    ContractSigned,
    EvaluatedFact,
    Event,
    ExceptionReport,
    PackageSession,
    Payable,
    ServiceConsumed,
    ServiceQuantity,
    SessionCompleted,
    SessionEvaluated,
    SessionVoided,
    UserSignup,
    VoidedFact,
)
from tests.contract.payload_cases import VALID

# A busy machine is no failure.
relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=255)
times = st.datetimes(
    datetime(1970, 1, 1),  # noqa: DTZ001 - hypothesis wants bounds without an offset
    datetime(2999, 12, 31, 23, 59, 59),  # noqa: DTZ001
    timezones=st.just(UTC),
)
counts = st.integers(1, 2**31 - 1)
numbers = st.floats(allow_nan=False, allow_infinity=False)
uuids = st.uuids().map(str)
packages = st.none() | st.tuples(texts, texts, counts)


def in_package(record: Any, package: tuple[str, str, int] | None) -> Any:
    if package is None:
        return record
    identity, code, total = package
    return replace(
        record,
        service_package_id=identity,
        package_code=code,
        package_total_sessions=total,
    )


completed_events = st.builds(
    in_package,
    st.builds(
        SessionCompleted,
        texts,
        texts,
        texts,
        texts,
        texts,
        st.booleans(),
        times,
        duration_minutes=st.none() | numbers,
    ),
    packages,
)
events = st.one_of(
    completed_events,
    st.builds(SessionEvaluated, texts, times, st.none() | numbers),
    st.builds(SessionVoided, texts, uuids, texts),
    st.builds(
        ContractSigned,
        texts,
        texts,
        times,
        st.lists(st.builds(ServiceQuantity, texts, counts), max_size=3).map(tuple),
    ),
    st.builds(ContractActivated, texts, times),
    st.builds(ServiceConsumed, texts, texts, texts, counts, st.integers(0, 2**31 - 1)),
    st.builds(UserSignup, texts, times),
)

completed_facts = st.builds(
    in_package,
    st.builds(CompletedFact, uuids, texts, texts, texts, texts, texts, st.booleans(), times),
    packages,
)
evaluated_facts = st.builds(EvaluatedFact, uuids, texts, times)
voided_facts = st.builds(VoidedFact, uuids, texts, uuids, texts)
optional_texts = st.none() | texts
billing_records = st.one_of(
    completed_facts,
    evaluated_facts,
    voided_facts,
    st.builds(
        PackageSession,
        texts,
        texts,
        st.lists(completed_facts, max_size=3).map(tuple),
        st.lists(evaluated_facts, max_size=3).map(tuple),
        st.lists(voided_facts, max_size=3).map(tuple),
    ),
    st.builds(
        Payable,
        uuids,
        st.sampled_from(["session", "package"]),
        texts,
        texts,
        texts,
        optional_texts,
        optional_texts,
        texts,
        times,
        uuids,
        st.lists(texts, max_size=3).map(tuple),
    ),
    st.builds(
        ExceptionReport,
        texts,
        texts,
        optional_texts,
        st.booleans(),
        counts,
        texts,
        st.binary(),
    ),
)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
event_types = st.sampled_from(sorted(VALID))


@relaxed
@given(events)
def test_an_event_that_is_written_is_read_as_the_same(event: Event) -> None:
    assert decode_event(event.event_type, encode_event(event).encode()) == event


@relaxed
@given(billing_records)
def test_a_billing_record_that_is_written_is_read_as_the_same(record: BillingRecord) -> None:
    assert decode(encode(record), type(record)) == record


def read_or_refuse(event_type: str, value: bytes) -> None:
    try:
        event = decode_event(event_type, value)
    except SchemaError as refusal:
        assert str(refusal).startswith(f"{event_type}: ")  # noqa: PT017
    else:
        # What is accepted is whole: it can be written again, and says the same.
        assert decode_event(event_type, encode_event(event).encode()) == event


@relaxed
@given(event_types, any_json)
def test_any_json_is_read_or_refused_with_a_schema_error(event_type: str, value: Any) -> None:
    read_or_refuse(event_type, json.dumps(value).encode())


@relaxed
@given(event_types, st.data())
def test_a_payload_with_one_field_replaced_is_read_or_refused(
    event_type: str,
    data: st.DataObject,
) -> None:
    field = data.draw(st.sampled_from(sorted(VALID[event_type])))
    payload = {**VALID[event_type], field: data.draw(any_json)}
    read_or_refuse(event_type, json.dumps(payload).encode())


@relaxed
@given(event_types, st.binary())
def test_any_bytes_are_read_or_refused_with_a_schema_error(event_type: str, value: bytes) -> None:
    read_or_refuse(event_type, value)


@relaxed
@given(billing_records, st.binary(min_size=1), st.integers(0, 400))
def test_a_garbled_billing_record_raises_nothing_but_a_schema_error(
    record: BillingRecord,
    noise: bytes,
    position: int,
) -> None:
    data = encode(record)
    garbled = data[:position] + noise + data[position + len(noise) :]
    try:
        decode(garbled, type(record))
    except SchemaError as refusal:
        assert type(record).__name__ in str(refusal)  # noqa: PT017


@relaxed
@given(times, st.integers(-1439, 1439))
def test_a_time_reads_as_the_same_instant_at_any_offset(
    instant: datetime,
    offset_minutes: int,
) -> None:
    sign = "-" if offset_minutes < 0 else "+"
    hours, minutes = divmod(abs(offset_minutes), 60)
    local = instant.replace(tzinfo=None).isoformat()
    text = f"{local}{sign}{hours:02}:{minutes:02}"
    event = decode_event(
        "user.signup",
        json.dumps({"userId": "u-1", "signedUpAt": text}).encode(),
    )
    assert isinstance(event, UserSignup)
    assert event.signed_up_at == instant - timedelta(minutes=offset_minutes)
