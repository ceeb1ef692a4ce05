"""The payload check in Python: the same rules, with the same words, as the database's.

Each check of a field takes its JSON value, returns it as the record holds it, and raises
ValueError with what is wrong with it. They are built once, when the module is imported: decoding an
event walks no schema.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from schemas.definitions import INT_MAX
from schemas.rfc3339 import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.definitions import EventSchema, Field

    Check = Callable[[Any], Any]

UUID_PATTERN = "[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"
QUOTED_MAX = 64  # characters of a wrong value that an error repeats
PAYLOAD_BYTES_MAX = 900_000  # as text: leaves room in a 1 MiB message for its key and headers

TOO_LARGE = f"is larger than {PAYLOAD_BYTES_MAX} bytes"

MISSING = "is missing or null"
NOT_A_STRING = "is not a string"
NOT_A_BOOLEAN = "is not a boolean"
NOT_A_NUMBER = "is not a number"
NOT_AN_ARRAY = "is not an array"
NOT_AN_OBJECT = "is not a JSON object"
EMPTY = "is empty"
HOLDS_NUL = "holds U+0000, which PostgreSQL cannot store"
NOT_A_TIME = (
    "is not an RFC 3339 time with an offset, years 1970 to 2999, at most 6 fractional digits"
)
NOT_A_UUID = "is not a uuid"


def too_long(max_length: int) -> str:
    """Return the problem of a text with more characters."""
    return f"is longer than {max_length} characters"


def not_an_integer(minimum: int) -> str:
    """Return the problem of whatever is no integer of 32 bits, or a smaller one."""
    return f"is not an integer from {minimum} to {INT_MAX}"


def torn_group(group: tuple[str, ...]) -> str:
    """Return the problem of an absent field, where another of its group is present."""
    return f"{MISSING}, but {', '.join(group)} come together or not at all"


def _quoted(value: str, problem: str) -> str:
    return f"'{value[:QUOTED_MAX]}' {problem}"


def _string(field: Field) -> Check:
    max_length = field.max_length or INT_MAX
    min_length = field.min_length

    def check(value: Any) -> str:
        if type(value) is not str:
            raise ValueError(NOT_A_STRING)
        if not min_length <= len(value) <= max_length:
            raise ValueError(too_long(max_length) if value else EMPTY)
        if "\0" in value:
            raise ValueError(HOLDS_NUL)
        return value

    return check


def _time(_: Field) -> Check:
    def check(value: Any) -> Any:
        if type(value) is not str:
            raise ValueError(NOT_A_STRING)
        try:
            return parse_time(value)
        except ValueError:
            raise ValueError(_quoted(value, NOT_A_TIME)) from None

    return check


def _uuid(_: Field) -> Check:
    matches = re.compile(UUID_PATTERN).fullmatch

    def check(value: Any) -> str:
        if type(value) is not str:
            raise ValueError(NOT_A_STRING)
        if matches(value) is None:
            raise ValueError(_quoted(value, NOT_A_UUID))
        return value.lower()

    return check


def _boolean(_: Field) -> Check:
    def check(value: Any) -> bool:
        if type(value) is not bool:
            raise ValueError(NOT_A_BOOLEAN)
        return value

    return check


def _int(field: Field) -> Check:
    minimum = field.minimum

    def check(value: Any) -> int:
        # type(), not isinstance: True is no number of sessions.
        if type(value) is not int or not minimum <= value <= INT_MAX:
            raise ValueError(not_an_integer(minimum))
        return value

    return check


def _double(_: Field) -> Check:
    def check(value: Any) -> float:
        if type(value) is not int and type(value) is not float:
            raise ValueError(NOT_A_NUMBER)
        return float(value)

    return check


def _records(field: Field) -> Check:
    checks = [(item.name, item.required, CHECKS[item.kind](item)) for item in field.items]

    def check(value: Any) -> tuple[tuple[Any, ...], ...]:
        if type(value) is not list:
            raise ValueError(NOT_AN_ARRAY)
        return tuple(_element(index, element) for index, element in enumerate(value))

    def _element(index: int, element: Any) -> tuple[Any, ...]:
        where = f"{field.name}[{index}]"
        if type(element) is not dict:
            raise PathError(where, NOT_AN_OBJECT)
        return tuple(_read(element, checks, where + "."))

    return check


CHECKS: dict[str, Callable[[Field], Check]] = {
    "string": _string,
    "time": _time,
    "uuid": _uuid,
    "boolean": _boolean,
    "int": _int,
    "double": _double,
    "records": _records,
}


class PathError(Exception):
    """What is wrong with a payload, and where in it."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)


def _read(payload: dict[str, Any], checks: list[tuple[str, bool, Check]], prefix: str) -> list[Any]:
    values = []
    get = payload.get
    name = ""
    try:
        for name, required, check in checks:
            value = get(name)
            if value is not None:
                value = check(value)
            elif required:
                raise PathError(prefix + name, MISSING)
            values.append(value)
    except ValueError as problem:
        raise PathError(prefix + name, str(problem)) from None
    return values


def compile_check(event: EventSchema) -> Callable[[Any], list[Any]]:
    """Return the check of one event: a JSON value → its fields' values, in the schema's order.

    The check raises PathError, which names the field.
    """
    checks = [(field.name, field.required, CHECKS[field.kind](field)) for field in event.fields]
    names = [field.name for field in event.fields]
    groups = [(group, [names.index(name) for name in group]) for group in event.all_or_none]

    def check(payload: Any) -> list[Any]:
        if type(payload) is not dict:
            raise PathError("", NOT_AN_OBJECT)
        values = _read(payload, checks, "")
        for group, positions in groups:
            absent = [position for position in positions if values[position] is None]
            if absent and len(absent) < len(positions):
                raise PathError(names[absent[0]], torn_group(group))
        return values

    return check
