"""Whether a reader of a schema's new version reads everything that the old one wrote.

The rules are Avro's ("Schema Resolution" in its specification), narrowed to what holds for every
record rather than for the lucky ones, and widened by what the payload check adds to Avro: a new
version must not refuse a payload that the old one allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.definitions import INT_MAX, INT_MIN

if TYPE_CHECKING:
    from schemas.definitions import Json

_PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
}


def compatibility(old: Json, new: Json) -> list[str]:
    """Return why a reader of `new` cannot read what `old` wrote, a sentence each; [] where it can.

    Both are whole schemas, as JSON: what a name refers to is defined in the same schema.
    """
    return _Comparison(_definitions(old), _definitions(new)).problems(old, new, new["name"])


def _definitions(schema: Json) -> dict[str, Json]:
    """Return the named schemas within one, by their names without the namespace."""
    found: dict[str, Json] = {}
    for branch in schema if isinstance(schema, list) else [schema]:
        if not isinstance(branch, dict):
            continue
        if "name" in branch:
            found[branch["name"]] = branch
        for field in branch.get("fields", []):
            found |= _definitions(field["type"])
        found |= _definitions(branch.get("items"))
    return found


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Compares two schemas part by part; `where` says which part, for people."""

    old_names: dict[str, Json]
    new_names: dict[str, Json]

    def problems(self, old: Json, new: Json, where: str) -> list[str]:
        old, new = _resolved(old, self.old_names), _resolved(new, self.new_names)
        if isinstance(old, list):
            return [each for branch in old for each in self.problems(branch, new, where)]
        if isinstance(new, list):
            if any(self.problems(old, branch, where) == [] for branch in new):
                return []
            return [f"{where}: no branch of {', '.join(map(_kind, new))} reads {_kind(old)}"]
        if _kind(old) != _kind(new):
            promoted = _kind(new) in _PROMOTIONS.get(_kind(old), set())
            return [] if promoted else [f"{where}: was {_kind(old)}, is {_kind(new)}"]
        if not isinstance(old, dict):
            return []
        return self._of_the_same_kind(old, new, where)

    def _of_the_same_kind(self, old: Json, new: Json, where: str) -> list[str]:
        if old.get("name") != new.get("name"):
            return [f"{where}: was named {old.get('name')}, is named {new.get('name')}"]
        if _kind(old) == "record":
            return self._records(old, new, where)
        if _kind(old) == "array":
            return self.problems(old["items"], new["items"], f"{where}[]")
        gone = sorted(set(old.get("symbols", [])) - set(new.get("symbols", [])))
        return [f"{where}: the symbols {', '.join(gone)} are gone"] if gone else []

    def _records(self, old: Json, new: Json, where: str) -> list[str]:
        problems = [
            f"{where}: {attribute} was {old.get(attribute)}, is {new.get(attribute)}"
            for attribute in ("aggregateType", "aggregateId")
            if old.get(attribute) != new.get(attribute)
        ]
        problems += [
            f"{where}: {', '.join(group)} could be apart, now come together or not at all"
            for group in new.get("allOrNone", [])
            if group not in old.get("allOrNone", [])
        ]
        old_fields = {field["name"]: field for field in old["fields"]}
        for field in new["fields"]:
            inside = f"{where}.{field['name']}"
            if field["name"] in old_fields:
                before = old_fields[field["name"]]
                problems += self.problems(before["type"], field["type"], inside)
                problems += _tightened(before, field, inside)
            elif "default" not in field:
                problems.append(f"{inside}: is new, and has no default for older records")
        return problems


def _resolved(schema: Json, names: dict[str, Json]) -> Json:
    if isinstance(schema, str):
        return names.get(schema.rpartition(".")[2], schema)
    return schema


def _kind(schema: Json) -> str:
    if isinstance(schema, dict):
        # A timestamp in milliseconds is read as one in microseconds without an error.
        return " ".join(filter(None, [schema.get("logicalType"), str(schema["type"])]))
    return str(schema)


def _tightened(old: Json, new: Json, where: str) -> list[str]:
    """Return which rules of the payload check refuse what they used to allow."""
    problems = []
    if new.get("minLength", 0) > old.get("minLength", 0):
        problems.append(f"{where}: minLength was {old.get('minLength', 0)}, is {new['minLength']}")
    if new.get("maxLength", INT_MAX) < old.get("maxLength", INT_MAX):
        problems.append(f"{where}: maxLength was {old.get('maxLength')}, is {new['maxLength']}")
    if new.get("minimum", INT_MIN) > old.get("minimum", INT_MIN):
        problems.append(f"{where}: minimum was {old.get('minimum')}, is {new['minimum']}")
    if new.get("format") not in (None, old.get("format")):
        problems.append(f"{where}: format was {old.get('format')}, is {new['format']}")
    return problems
