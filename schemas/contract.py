"""What follows from the .avsc files, written beside them: run after a change to one of them.

`python -m schemas.contract` writes the database's payload check, and ships each changed schema as
its next version, unless a reader of it could not read the versions before. With `--check` it
writes nothing, says what is out of date, and exits 1.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from schemas.compatibility import compatibility
from schemas.definitions import FOLDER, full_name, load_billing, load_events, load_json
from schemas.payload_check import IS_RFC3339, RFC3339_INSTANT, check_domain_event
from schemas.shipped import digest, file_name, load_versions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from schemas.definitions import Json

__all__ = ["compatibility", "incompatibilities", "main", "stale_files"]


def current_schemas(folder: Path = FOLDER) -> dict[str, Json]:
    """Return every schema in force, whole, by its full name."""
    events = map(load_json, sorted((folder / "events").glob("*.avsc")))
    return {full_name(event): event for event in events} | load_billing(folder / "billing")


def incompatibilities(folder: Path = FOLDER) -> list[str]:
    """Return why the schemas in force cannot read what shipped versions wrote; [] where they can.

    A sentence each. A schema that shipped and is gone is one of them.
    """
    current = current_schemas(folder)
    problems = []
    for name, versions in load_versions(folder / "versions").items():
        if name not in current:
            problems.append(f"{name} has shipped, and is gone: nobody can read its records")
            continue
        for number, version in enumerate(versions, start=1):
            problems += [
                f"version {number} of {name} cannot be read: {problem}"
                for problem in compatibility(version, current[name])
            ]
    return problems


def stale_files(root: Path = FOLDER.parent) -> dict[Path, str]:
    """Return the files that are not what the schemas say, with what they should hold.

    Raises ValueError where a version that has shipped was edited or removed.
    """
    folder = root / "schemas"
    functions = root / "infra" / "postgres" / "functions"
    wanted = {
        functions / "check_domain_event.sql": check_domain_event(load_events(folder / "events")),
        functions / "is_rfc3339.sql": IS_RFC3339,
        functions / "rfc3339_instant.sql": RFC3339_INSTANT,
    }
    versions = load_versions(folder / "versions")
    for name, schema in current_schemas(folder).items():
        shipped = versions.get(name, [])
        if not shipped or digest(shipped[-1]) != digest(schema):
            path = folder / "versions" / file_name(name, len(shipped) + 1, schema)
            wanted[path] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return {
        path: text
        for path, text in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }


def main(arguments: Sequence[str], root: Path = FOLDER.parent) -> int:
    """Write what is out of date, or with `--check` only say so; return the exit status."""
    problems = incompatibilities(root / "schemas")
    if problems:
        sys.stderr.write("\n".join(problems) + "\nNothing was written.\n")
        return 1
    stale = stale_files(root)
    for path, text in stale.items():
        name = path.relative_to(root)
        if "--check" in arguments:
            sys.stderr.write(f"{name} is out of date: run python -m schemas.contract\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{name}\n")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
