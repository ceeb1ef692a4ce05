"""Bytes and JSON to records and back: the only module that knows fastavro.

Events (`events.*`) are JSON text, checked against schemas/events. Everything `billing.*` is Avro in
single-object encoding: C3 01, the writer's schema fingerprint (CRC-64-AVRO, little-endian), the
datum; see the Avro specification, "Single-object encoding".
"""

from __future__ import annotations

import dataclasses
import math
import re
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import fastavro
import orjson
from fastavro.schema import fingerprint, to_parsing_canonical_form

from schemas import records
from schemas.checks import PAYLOAD_BYTES_MAX, TOO_LARGE, PathError, compile_check
from schemas.definitions import load_billing, load_events
from schemas.errors import Undecodable, UnknownEventType, UnknownFingerprint
from schemas.rfc3339 import format_time
from schemas.shipped import load_versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from schemas.definitions import EventSchema, Json
    from schemas.records import BillingRecord, Event

R = TypeVar("R", bound="BillingRecord")

_MAGIC = b"\xc3\x01"
_HEADER_LENGTH = 10

_EVENT_CLASSES: tuple[Any, ...] = get_args(records.Event)


def decode_event(event_type: str, value: bytes | None) -> Event:
    """Return the event that a Kafka record or a row of domain_events holds.

    `value` is the payload as JSON text in UTF-8. Raises UnknownEventType, and Undecodable with a
    message that names the field, under the same rules as the database's check_domain_event.
    """
    reader = _EVENT_READERS.get(event_type)
    if reader is None:
        known = ", ".join(_EVENT_READERS)
        raise UnknownEventType(f"{event_type!r} is not an event type; those known are {known}")
    if value is None:
        raise Undecodable(f"{event_type}: the record has no value")
    if len(value) > PAYLOAD_BYTES_MAX:
        raise Undecodable(f"{event_type}: {TOO_LARGE}")
    try:
        return reader(orjson.loads(value))
    except orjson.JSONDecodeError as error:
        raise Undecodable(f"{event_type}: is not JSON: {error}") from None
    except PathError as error:
        raise Undecodable(f"{event_type}: {error}") from None


def encode_event(event: Event) -> str:
    """Return the payload as JSON text, camelCase, without the fields that are None.

    Raises ValueError for a naive time, or a number that JSON cannot hold. Nothing else is checked:
    the database does, in the caller's transaction.
    """
    try:
        payload = _EVENT_WRITERS[event.event_type](event)
    except ValueError as error:
        raise ValueError(f"{event.event_type}: {error}") from None
    return orjson.dumps(payload).decode()


def _event_reader(schema: EventSchema, event_class: Any) -> Callable[[Json], Event]:
    check = compile_check(schema)
    arrays = [
        (position, getattr(records, field.record))
        for position, field in enumerate(schema.fields)
        if field.kind == "records"
    ]

    def read(payload: Json) -> Event:
        values = check(payload)
        for position, element_class in arrays:
            values[position] = tuple(element_class(*element) for element in values[position])
        event: Event = event_class(*values)
        return event

    return read


def _written(kind: str, value: Any) -> Json:
    if kind == "time":
        return format_time(value)
    if kind == "double" and not math.isfinite(value):
        raise ValueError(f"JSON cannot hold the number {value}")
    return value


def snake_case(camel_case: str) -> str:
    """Return the name of a record's attribute for the name of a payload's field."""
    return re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), camel_case)


def _record_writer(fields: tuple[Any, ...]) -> Callable[[Any], dict[str, Json]]:
    plan = [
        (field.name, snake_case(field.name), field.kind, _record_writer(field.items))
        for field in fields
    ]

    def write(record: Any) -> dict[str, Json]:
        payload = {}
        for name, attribute, kind, write_element in plan:
            value = getattr(record, attribute)
            if kind == "records":
                payload[name] = [write_element(element) for element in value]
            elif value is not None:
                payload[name] = _written(kind, value)
        return payload

    return write


_EVENTS = load_events()
_EVENT_READERS = {
    event_class.event_type: _event_reader(_EVENTS[event_class.event_type], event_class)
    for event_class in _EVENT_CLASSES
}
EVENT_TYPES = frozenset(_EVENT_READERS)
"""Every event type that there is."""
_EVENT_WRITERS = {name: _record_writer(schema.fields) for name, schema in _EVENTS.items()}


def fingerprint_of(schema: Json) -> bytes:
    """Return the 8 bytes that stand for a schema in a single-object header."""
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))


class BillingCodec:
    """Reads every shipped version of the billing schemas, writes the current one.

    `current` maps full names to the schemas in force; `versions` to all that were ever written.
    A schema with the attribute `writeVersion` is read, but still written as that older version:
    so every reader can learn a new version before any writer uses it.
    """

    def __init__(self, current: Mapping[str, Json], versions: Mapping[str, list[Json]]) -> None:
        self._readers: dict[str, Any] = {}
        self._writers: dict[str, tuple[bytes, Any]] = {}
        self._known: dict[bytes, tuple[str, Any]] = {}
        for name, schema in current.items():
            parsed = fastavro.parse_schema(schema)
            self._readers[name] = parsed
            for version in versions.get(name, []):
                self._known[fingerprint_of(version)] = (name, fastavro.parse_schema(version))
            self._known[fingerprint_of(schema)] = (name, parsed)
            number = schema.get("writeVersion")
            written = schema if number is None else versions[name][number - 1]
            header = fingerprint_of(written)
            self._writers[name] = (_MAGIC + header, self._known[header][1])

    def encode(self, record: BillingRecord) -> bytes:
        """Return the record in single-object encoding."""
        header, writer = self._writers[_name_of(type(record))]
        output = BytesIO()
        output.write(header)
        fastavro.schemaless_writer(output, writer, _as_avro(record))
        return output.getvalue()

    def decode(self, data: bytes, *record_types: type[R]) -> R:
        """Return the record of one of these types that `data` holds, whatever version wrote it.

        Raises Undecodable where it is no such record, UnknownFingerprint where its schema is not
        of this release.
        """
        if len(data) < _HEADER_LENGTH or not data.startswith(_MAGIC):
            raise Undecodable(
                f"{_names_of(record_types)}: the bytes are not in Avro's single-object encoding"
            )
        header = data[2:_HEADER_LENGTH]
        if header not in self._known:
            raise UnknownFingerprint(
                f"{_names_of(record_types)}: no schema of this release has the fingerprint "
                f"{header.hex()}; a newer release wrote it: upgrade this process, it goes on "
                "where it stopped",
            )
        name, writer = self._known[header]
        for record_type in record_types:
            if name == _name_of(record_type):
                return _from_avro(record_type, self._read(data, writer, name))
        raise Undecodable(f"{_names_of(record_types)}: the bytes hold a {name}")

    def _read(self, data: bytes, writer: Any, name: str) -> dict[str, Any]:
        reader = self._readers[name]
        source = BytesIO(data)
        source.seek(_HEADER_LENGTH)
        try:
            datum: dict[str, Any] = fastavro.schemaless_reader(
                source,
                writer,
                None if writer is reader else reader,
            )
        except Exception as error:
            # fastavro lets through whatever garbage causes: EOFError, IndexError, ValueError …
            raise Undecodable(f"{name}: garbled: {type(error).__name__}: {error}") from error
        if source.tell() != len(data):
            raise Undecodable(f"{name}: {len(data) - source.tell()} bytes follow the record")
        return datum


def _name_of(record_type: type[Any]) -> str:
    return f"billing.{record_type.__name__}"


def _names_of(record_types: Iterable[type[Any]]) -> str:
    return " or ".join(map(_name_of, record_types))


_ARRAYS: dict[type[Any], dict[str, Callable[[Any], Any]]] = {
    records.PackageSession: {
        "completed": lambda datum: records.CompletedFact(**datum),
        "evaluated": lambda datum: records.EvaluatedFact(**datum),
        "voided": lambda datum: records.VoidedFact(**datum),
    },
    records.Payable: {"session_ids": str},
}


def _as_avro(record: BillingRecord) -> dict[str, Any]:
    datum = {name: getattr(record, name) for name in _FIELD_NAMES[type(record)]}
    if type(record) is records.PackageSession:
        for name in _ARRAYS[records.PackageSession]:
            datum[name] = [_as_avro(fact) for fact in datum[name]]
    return datum


def _from_avro(record_type: type[R], datum: dict[str, Any]) -> R:
    for name, build in _ARRAYS.get(record_type, {}).items():
        datum[name] = tuple(build(element) for element in datum[name])
    return record_type(**datum)


_FIELD_NAMES: dict[type[Any], tuple[str, ...]] = {
    record_type: tuple(field.name for field in dataclasses.fields(record_type))
    for record_type in (
        records.CompletedFact,
        records.EvaluatedFact,
        records.VoidedFact,
        records.PackageSession,
        records.Payable,
        records.PayableWithdrawn,
        records.ExceptionReport,
    )
}

_BILLING = BillingCodec(load_billing(), load_versions())
encode = _BILLING.encode
decode = _BILLING.decode

_SAID: tuple[type[records.Payable | records.PayableWithdrawn], ...] = (
    records.Payable,
    records.PayableWithdrawn,
)


def decode_payable(data: bytes) -> records.Payable | records.PayableWithdrawn:
    """Return what a record of billing.payables says is owed, or is no more; raises as `decode`."""
    return decode(data, *_SAID)
