"""Schema versions that have shipped: append-only, all of them kept.

`schemas/versions/<full name>.v<number>-<digest>.avsc` is one version, whole (references written
out). The digest is of the content, so an edited file no longer bears its own name.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

from schemas.definitions import FOLDER, load_json

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.definitions import Json

VERSIONS = FOLDER / "versions"

_FILE_NAME = re.compile(r"(?P<name>.+)\.v(?P<number>[1-9][0-9]*)-(?P<digest>[0-9a-f]{16})\.avsc")


def digest(schema: Json) -> str:
    """Return what names a version: 64 bits of sha256 over its JSON, documentation left out."""
    text = json.dumps(_undocumented(schema), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_name(name: str, number: int, schema: Json) -> str:
    """Return what the file of a version is called."""
    return f"{name}.v{number}-{digest(schema)}.avsc"


def load_versions(folder: Path = VERSIONS) -> dict[str, list[Json]]:
    """Return the shipped versions of every schema, oldest first.

    Raises ValueError where one is missing, or is not what its file name says.
    """
    numbered: dict[str, dict[int, Json]] = {}
    for path in folder.glob("*.avsc"):
        match = _FILE_NAME.fullmatch(path.name)
        schema = load_json(path)
        if match is None or match["digest"] != digest(schema):
            raise ValueError(
                f"{path} is not the version that its name says: shipped versions are never edited. "
                "Restore it, and change the schema itself in schemas/events or schemas/billing.",
            )
        numbered.setdefault(match["name"], {})[int(match["number"])] = schema
    versions = {}
    for name, by_number in sorted(numbered.items()):
        if sorted(by_number) != list(range(1, len(by_number) + 1)):
            raise ValueError(f"{folder}: {name} has versions {sorted(by_number)}: restore the rest")
        versions[name] = [by_number[number] for number in sorted(by_number)]
    return versions


def _undocumented(schema: Json) -> Json:
    if isinstance(schema, dict):
        return {key: _undocumented(value) for key, value in schema.items() if key != "doc"}
    if isinstance(schema, list):
        return [_undocumented(value) for value in schema]
    return schema
