import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from schemas.codec import BillingCodec, decode, encode, fingerprint_of
from schemas.definitions import load_billing
from schemas.errors import Undecodable, UnknownFingerprint
from schemas.records import (
    BillingRecord,
    CompletedFact,
    EvaluatedFact,
    ExceptionReport,
    PackageSession,
    Payable,
    PayableWithdrawn,
    VoidedFact,
)
from schemas.shipped import file_name, load_versions

NOON = datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)

COMPLETED = CompletedFact(
    event_id="0197f2d0-0000-7000-8000-00000000000a",
    session_id="s-1",
    contract_id="c-1",
    mentor_id="m-1",
    student_id="st-1",
    session_type="mock_interview",
    required_evaluation=True,
    completed_at=NOON,
)
EVALUATED = EvaluatedFact("e-2", "s-1", NOON)
VOIDED = VoidedFact("e-3", "s-1", "e-2", "entered twice")
PAYABLE = Payable(
    ledger_id="l-1",
    kind="package",
    mentor_id="m-1",
    contract_id="c-1",
    student_id="st-1",
    session_id=None,
    service_package_id="p-1",
    price_code="ten",
    occurred_at=NOON,
    source_event_id="e-1",
    session_ids=("s-1", "s-2"),
)
RECORDS: list[BillingRecord] = [
    COMPLETED,
    EVALUATED,
    VOIDED,
    PackageSession("p-1", "s-1", (COMPLETED, COMPLETED), (EVALUATED,), (VOIDED,)),
    PackageSession("p-1", "s-1", (), (), ()),
    PAYABLE,
    PayableWithdrawn("l-1", "session", "s-1", "e-3"),
    ExceptionReport("undecodable", "s-1", None, True, 3, "what", b'{"\x00": 1}'),  # noqa: FBT003
]


@pytest.mark.parametrize("record", RECORDS)
def test_a_billing_record_comes_back_as_it_went(record: BillingRecord) -> None:
    assert decode(encode(record), type(record)) == record


def test_a_record_is_read_as_whichever_of_several_types_it_is() -> None:
    assert decode(encode(PAYABLE), PayableWithdrawn, Payable) == PAYABLE
    with pytest.raises(Undecodable, match=r"billing\.Payable or billing\.VoidedFact: the"):
        decode(encode(EVALUATED), Payable, VoidedFact)


def test_a_time_keeps_its_microseconds_and_its_zone() -> None:
    read = decode(encode(EVALUATED), EvaluatedFact)
    assert read.evaluated_at.isoformat() == "2026-03-01T12:00:00.123456+00:00"


def test_the_wire_format_is_avros_single_object_encoding() -> None:
    # The Avro specification: C3 01, then CRC-64-AVRO of the parsing canonical form, little-endian.
    # Avro's own test data gives 63dd24e7cc258f8a, written big-endian, for "null".
    assert fingerprint_of("null").hex() == "8a8f25cce724dd63"
    data = encode(EVALUATED)
    assert data[:2] == b"\xc3\x01"
    assert data[2:10] == fingerprint_of(load_billing()["billing.EvaluatedFact"])
    assert data[10:18] == b"\x06e-2\x06s-1"


def test_the_fingerprints_of_all_schemas_differ() -> None:
    schemas = load_billing().values()
    assert len({fingerprint_of(schema) for schema in schemas}) == len(schemas)


@pytest.mark.parametrize("data", [b"", b"\xc3\x01", b"{}", b"\xc3\x02" + b"0" * 20, b"null" * 9])
def test_bytes_without_the_header_are_undecodable(data: bytes) -> None:
    with pytest.raises(Undecodable, match=r"billing\.Payable: the bytes are not in Avro's"):
        decode(data, Payable)


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_cut_short_anywhere_is_undecodable(record: BillingRecord) -> None:
    data = encode(record)
    for length in range(10, len(data)):
        with pytest.raises(Undecodable, match="garbled"):
            decode(data[:length], type(record))


def test_bytes_behind_a_record_are_undecodable() -> None:
    with pytest.raises(Undecodable, match=r"billing\.Payable: 3 bytes follow the record"):
        decode(encode(PAYABLE) + b"abc", Payable)


def test_another_record_is_undecodable_as_this_one() -> None:
    with pytest.raises(Undecodable, match="the bytes hold a billing"):
        decode(encode(VOIDED), Payable)


def test_a_schema_of_a_newer_release_is_no_garbage() -> None:
    data = b"\xc3\x01" + bytes(range(8)) + encode(PAYABLE)[10:]
    with pytest.raises(UnknownFingerprint, match=r"fingerprint 0001020304050607.*upgrade"):
        decode(data, Payable)


def without(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return {**schema, "fields": [field for field in schema["fields"] if field["name"] != name]}


def ship(folder: Path, name: str, number: int, schema: dict[str, Any]) -> None:
    (folder / file_name(name, number, schema)).write_text(json.dumps(schema), encoding="utf-8")


NAME = "billing.CompletedFact"


def test_a_record_of_an_older_shipped_version_is_read_with_the_newer_schema(
    tmp_path: Path,
) -> None:
    newer = load_billing()[NAME]
    older = without(newer, "package_code")
    ship(tmp_path, NAME, 1, older)
    ship(tmp_path, NAME, 2, newer)
    written = BillingCodec({NAME: older}, {}).encode(COMPLETED)
    assert written[2:10] == fingerprint_of(older) != fingerprint_of(newer)
    with pytest.raises(UnknownFingerprint):
        decode(written, CompletedFact)
    assert (
        BillingCodec({NAME: newer}, load_versions(tmp_path)).decode(
            written,
            CompletedFact,
        )
        == COMPLETED
    )


def test_a_new_version_can_be_read_everywhere_before_it_is_written(tmp_path: Path) -> None:
    newer = load_billing()[NAME]
    older = without(newer, "package_code")
    ship(tmp_path, NAME, 1, older)
    ship(tmp_path, NAME, 2, newer)
    cautious = BillingCodec({NAME: {**newer, "writeVersion": 1}}, load_versions(tmp_path))
    assert cautious.encode(COMPLETED)[2:10] == fingerprint_of(older)
    assert cautious.decode(encode(COMPLETED), CompletedFact) == COMPLETED
    assert cautious.decode(cautious.encode(COMPLETED), CompletedFact) == COMPLETED


def test_every_shipped_version_is_known_on_the_wire() -> None:
    for name, versions in load_versions().items():
        if name.startswith("billing."):
            record = next(each for each in RECORDS if type(each).__name__ == name.split(".")[1])
            for version in versions:
                written = BillingCodec({name: version}, {}).encode(record)
                assert isinstance(decode(written, type(record)), type(record))
