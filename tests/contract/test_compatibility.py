"""A reader of a new version reads what the old one wrote: the rules, one by one."""

from io import BytesIO
from typing import Any

import fastavro
import pytest

from schemas.compatibility import compatibility

Json = dict[str, Any]


def record(*fields: Json, **attributes: Any) -> Json:
    return {"type": "record", "name": "Thing", "fields": list(fields), **attributes}


def field(type_: Any, **attributes: Any) -> Json:
    return {"name": "x", "type": type_, **attributes}


def enum(*symbols: str, name: str = "Kind") -> Json:
    return {"type": "enum", "name": name, "symbols": list(symbols)}


def array(items: Any) -> Json:
    return {"type": "array", "items": items}


def timestamp(unit: str) -> Json:
    return {"type": "long", "logicalType": f"timestamp-{unit}"}


INNER = {"type": "record", "name": "Inner", "fields": [{"name": "a", "type": "string"}]}
NAMED = record(field(INNER), {"name": "y", "type": "Inner"})

COMPATIBLE = [
    ("nothing changed", record(field("string")), record(field("string"))),
    ("a documented field", record(field("string")), record(field("string", doc="what it is"))),
    ("a field with a default", record(), record(field("string", default="none"))),
    ("an optional field", record(), record(field(["null", "string"], default=None))),
    ("a field taken away", record(field("string")), record()),
    ("now optional", record(field("string")), record(field(["null", "string"], default=None))),
    ("a wider number", record(field("int")), record(field("long"))),
    ("a wider branch", record(field(["null", "int"])), record(field(["null", "double"]))),
    ("a further symbol", record(field(enum("a"))), record(field(enum("a", "b")))),
    ("an array of records", record(field(array(INNER))), record(field(array(INNER)))),
    ("a name used twice", NAMED, NAMED),
    ("a name with its namespace", NAMED, record(field(INNER), {"name": "y", "type": "n.Inner"})),
    ("loosened", record(field("string", maxLength=9, minLength=2)), record(field("string"))),
    ("a lower minimum", record(field("int", minimum=1)), record(field("int", minimum=0))),
    ("a format given up", record(field("string", format="uuid")), record(field("string"))),
]

INCOMPATIBLE = [
    ("a new required field", record(), record(field("string")), "Thing.x: is new, and has no"),
    ("now required", record(field(["null", "int"])), record(field("int")), "x: was null, is int"),
    ("another type", record(field("string")), record(field("int")), "Thing.x: was string, is int"),
    ("a narrower number", record(field("double")), record(field("int")), "was double, is int"),
    ("a symbol gone", record(field(enum("a", "b"))), record(field(enum("a"))), "symbols b are"),
    ("an enum renamed", record(field(enum("a"))), record(field(enum("a", name="E"))), "named Kind"),
    ("a branch gone", record(field(["int", "string"])), record(field(["null", "int"])),
     "Thing.x: no branch of null, int reads string"),
    ("an array's elements", record(field(array("string"))), record(field(array("int"))),
     r"Thing.x\[\]: was string, is int"),
    ("another unit", record(field(timestamp("micros"))), record(field(timestamp("millis"))),
     "was timestamp-micros long, is timestamp-millis long"),
    ("a field of a named type", NAMED, record(field({**INNER, "fields": [field("int")]}),
     {"name": "y", "type": "Inner"}), r"Thing.y.x: is new"),
    ("longer at least", record(field("string")), record(field("string", minLength=1)),
     "minLength was 0, is 1"),
    ("shorter at most", record(field("string")), record(field("string", maxLength=9)),
     "maxLength was None, is 9"),
    ("a higher minimum", record(field("int", minimum=0)), record(field("int", minimum=1)),
     "minimum was 0, is 1"),
    ("a format asked for", record(field("string")), record(field("string", format="uuid")),
     "format was None, is uuid"),
    ("another aggregate", record(aggregateType="a"), record(aggregateType="b"),
     "aggregateType was a, is b"),
    ("another id", record(aggregateId="a"), record(aggregateId="b"), "aggregateId was a, is b"),
    ("fields tied together", record(), record(allOrNone=[["a", "b"]]), "a, b could be apart"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new"), [case[1:] for case in COMPATIBLE], ids=[case[0] for case in COMPATIBLE]
)
def test_a_compatible_change_is_let_through(old: Json, new: Json) -> None:
    assert compatibility(old, new) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [case[1:] for case in INCOMPATIBLE],
    ids=[case[0] for case in INCOMPATIBLE],
)
def test_an_incompatible_change_is_found_and_named(old: Json, new: Json, problem: str) -> None:
    with pytest.raises(AssertionError, match=problem):
        raise AssertionError(*compatibility(old, new))


def test_every_incompatibility_is_reported_not_only_the_first() -> None:
    old = record(field("string"), {"name": "y", "type": "string"})
    new = record(field("int"), {"name": "y", "type": "int"})
    assert len(compatibility(old, new)) == 2


SAMPLES: dict[str, list[Any]] = {
    "string": ["a"],
    "int": [1],
    "long": [2**40],
    "double": [1.5],
    "null": [None],
}


@pytest.mark.parametrize("old", SAMPLES)
@pytest.mark.parametrize("new", SAMPLES)
def test_the_verdict_on_plain_types_is_what_avro_itself_does(old: str, new: str) -> None:
    old_schema, new_schema = record(field(old)), record(field(new))
    output = BytesIO()
    fastavro.schemaless_writer(output, fastavro.parse_schema(old_schema), {"x": SAMPLES[old][0]})
    output.seek(0)
    try:
        fastavro.schemaless_reader(
            output,
            fastavro.parse_schema(old_schema),
            fastavro.parse_schema(new_schema),
        )
        readable = True
    except fastavro.read.SchemaResolutionError:
        readable = False
    assert (compatibility(old_schema, new_schema) == []) == readable
