"""The .avsc files, read: what the codec, the payload check and the database's check build on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent

Json = Any

INT_MIN = -(2**31)
INT_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event's payload.

    `kind` is string, time, uuid, boolean, int, double or records; lengths are in characters;
    where the kind is records, `items` are the fields of each element and `record` its name.
    """

    name: str
    kind: str
    required: bool
    doc: str = ""
    min_length: int = 0
    max_length: int | None = None
    minimum: int = INT_MIN
    items: tuple[Field, ...] = ()
    record: str = ""


@dataclass(frozen=True, slots=True)
class EventSchema:
    """One event: its name, where its aggregate's id stands, its fields.

    Of each group of `all_or_none`, the payload has all fields or none of them.
    """

    event_type: str
    aggregate_type: str
    aggregate_id: str
    fields: tuple[Field, ...]
    all_or_none: tuple[tuple[str, ...], ...]


def load_json(path: Path) -> Json:
    """Return what a JSON file holds."""
    return json.loads(path.read_text(encoding="utf-8"))


def full_name(schema: Json) -> str:
    """Return the Avro full name of a named schema: namespace, a dot, name."""
    namespace = schema.get("namespace", "")
    return f"{namespace}.{schema['name']}" if namespace else str(schema["name"])


def load_events(folder: Path = FOLDER / "events") -> dict[str, EventSchema]:
    """Return every event of a folder by its event type; raise ValueError where a file is wrong."""
    events = {}
    for path in sorted(folder.glob("*.avsc")):
        schema = load_json(path)
        if path.stem != full_name(schema):
            raise ValueError(f"{path} defines {full_name(schema)}: name the file after it")
        events[path.stem] = parse_event(schema)
    return events


def parse_event(schema: Json) -> EventSchema:
    """Turn one event's Avro schema, as JSON, into its definition."""
    return EventSchema(
        event_type=full_name(schema),
        aggregate_type=schema["aggregateType"],
        aggregate_id=schema["aggregateId"],
        fields=tuple(parse_field(field) for field in schema["fields"]),
        all_or_none=tuple(tuple(group) for group in schema.get("allOrNone", [])),
    )


def parse_field(field: Json) -> Field:
    """Turn one field of an event's schema into its definition; ValueError for other types."""
    declared = field["type"]
    optional = isinstance(declared, list) and len(declared) == 2 and declared[0] == "null"  # noqa: PLR2004
    kind = declared[1] if optional else declared
    items: tuple[Field, ...] = ()
    record = ""
    if isinstance(kind, dict) and kind["type"] == "array":
        record = kind["items"]["name"]
        items = tuple(parse_field(item) for item in kind["items"]["fields"])
        kind = "records"
    elif kind == "string":
        kind = {"rfc3339": "time", "uuid": "uuid"}.get(field.get("format"), "string")
    elif kind not in ("boolean", "int", "double"):
        raise ValueError(f"{field['name']}: events have no fields of type {declared}")
    return Field(
        name=field["name"],
        kind=kind,
        required=not optional,
        doc=field.get("doc", ""),
        min_length=field.get("minLength", 0),
        max_length=field.get("maxLength"),
        minimum=field.get("minimum", INT_MIN),
        items=items,
        record=record,
    )


def load_billing(folder: Path = FOLDER / "billing") -> dict[str, Json]:
    """Return every billing schema by its full name, each one whole: references are written out."""
    files = {full_name(schema): schema for schema in map(load_json, sorted(folder.glob("*.avsc")))}
    return {name: inline(schema, files, set()) for name, schema in files.items()}


def inline(schema: Json, named: dict[str, Json], seen: set[str]) -> Json:
    """Write out the first reference to each schema of `named`, so that the result stands alone."""
    if isinstance(schema, str) and schema in named and schema not in seen:
        return inline(named[schema], named, seen)
    if isinstance(schema, list):
        return [inline(branch, named, seen) for branch in schema]
    if isinstance(schema, dict) and schema.get("type") == "record":
        seen.add(full_name(schema))
        fields = [{**f, "type": inline(f["type"], named, seen)} for f in schema["fields"]]
        return {**schema, "fields": fields}
    if isinstance(schema, dict) and schema.get("type") == "array":
        return {**schema, "items": inline(schema["items"], named, seen)}
    return schema
