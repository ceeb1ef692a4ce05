import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from schemas import records
from schemas.codec import snake_case
from schemas.definitions import load_billing, load_events, parse_event, parse_field
from schemas.payload_check import check_domain_event
from tests.contract.payload_cases import VALID

EVENT_CLASSES: dict[str, Any] = {
    event.event_type: event
    for event in vars(records).values()
    if isinstance(event, type) and hasattr(event, "event_type")
}
BILLING_CLASSES = {
    f"billing.{name}": getattr(records, name)
    for name in (
        "CompletedFact", "EvaluatedFact", "VoidedFact", "PackageSession", "Payable",
        "PayableWithdrawn", "ExceptionReport",
    )
}  # fmt: skip


def attributes(record: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(record)]


def test_each_event_has_its_record_and_a_valid_example() -> None:
    assert set(load_events()) == set(EVENT_CLASSES) == set(VALID)


@pytest.mark.parametrize("event_type", sorted(VALID))
def test_the_record_of_an_event_has_the_fields_of_its_schema_in_order(event_type: str) -> None:
    event, event_class = load_events()[event_type], EVENT_CLASSES[event_type]
    assert attributes(event_class) == [snake_case(field.name) for field in event.fields]
    assert event_class.aggregate_type == event.aggregate_type
    for field in event.fields:
        if field.items:
            element = getattr(records, field.record)
            assert attributes(element) == [snake_case(item.name) for item in field.items]


@pytest.mark.parametrize("event_type", sorted(VALID))
def test_the_aggregate_id_of_an_event_is_a_required_text_of_its_payload(event_type: str) -> None:
    event = load_events()[event_type]
    own = next(field for field in event.fields if field.name == event.aggregate_id)
    assert (own.kind, own.required, own.min_length) == ("string", True, 1)


def test_each_billing_schema_has_its_record_with_its_fields() -> None:
    schemas = load_billing()
    assert set(schemas) == set(BILLING_CLASSES)
    for name, schema in schemas.items():
        assert attributes(BILLING_CLASSES[name]) == [field["name"] for field in schema["fields"]]


def test_a_billing_schema_is_whole_with_what_it_refers_to() -> None:
    package_session = load_billing()["billing.PackageSession"]
    completed = next(field for field in package_session["fields"] if field["name"] == "completed")
    assert completed["type"]["items"]["name"] == "CompletedFact"


def test_a_reference_within_a_union_is_written_out_once(tmp_path: Path) -> None:
    inner = {"type": "record", "namespace": "n", "name": "Inner", "fields": []}
    outer = {
        "type": "record",
        "namespace": "n",
        "name": "Outer",
        "fields": [
            {"name": "a", "type": ["null", "n.Inner"]},
            {"name": "b", "type": {"type": "array", "items": "n.Inner"}},
        ],
    }
    (tmp_path / "Inner.avsc").write_text(json.dumps(inner))
    (tmp_path / "Outer.avsc").write_text(json.dumps(outer))
    fields = load_billing(tmp_path)["n.Outer"]["fields"]
    assert fields[0]["type"] == ["null", inner]
    assert fields[1]["type"] == {"type": "array", "items": "n.Inner"}


def test_an_event_in_a_file_of_another_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.avsc").write_text(json.dumps({"type": "record", "name": "user.signup"}))
    with pytest.raises(ValueError, match="defines user.signup: name the file after it"):  # noqa: RUF043
        load_events(tmp_path)


@pytest.mark.parametrize("declared", ["bytes", "long", ["string", "null"], ["null", "int", "long"]])
def test_a_type_that_events_do_not_have_is_refused(declared: Any) -> None:
    with pytest.raises(ValueError, match="x: events have no fields of type"):
        parse_field({"name": "x", "type": declared})


def test_the_generated_check_quotes_what_stands_in_a_schema() -> None:
    name = "it's"
    event = {
        "type": "record",
        "name": "e",
        "aggregateType": name,
        "aggregateId": name,
        "fields": [{"name": name, "type": "string"}, {"name": "y", "type": ["null", "string"]}],
    }
    generated = check_domain_event({"e": parse_event(event)})
    assert "jsonb_typeof(payload->'it''s') <> 'string'" in generated
    assert "'The payload holds it''s; optionally y.'" in generated
