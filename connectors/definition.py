"""Read connector definitions, the JSON files beside this module."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from connectors.errors import DefinitionInvalidError

_DIRECTORY = Path(__file__).parent / "definitions"
_SECRETS_FILE = "{secrets_file}"
_POLL_INTERVAL_MS = "{poll_interval_ms}"

PACES = {"quick": "10", "quiet": "250"}
"""Poll interval in ms by OUTBOX_PACE; what each costs is measured in docs/operations/pace.md."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A connector as it shall run."""

    name: str
    config: dict[str, str]

    @property
    def connector_class(self) -> str:
        """The Java class that validates the configuration."""
        return self.config["connector.class"]

    @property
    def slot_name(self) -> str:
        """The replication slot that the connector reads."""
        return self.config["slot.name"]

    @property
    def publication_name(self) -> str:
        """The publication that says which changes the slot is sent."""
        return self.config["publication.name"]

    @property
    def table(self) -> str:
        """The outbox table, with its schema."""
        return self.config["table.include.list"]

    @property
    def source_partition(self) -> dict[str, str]:
        """The key under which Connect stores the connector's offset."""
        return {"server": self.config["topic.prefix"]}


def load_definitions(secrets_file: Path) -> tuple[Definition, ...]:
    """Read every definition, in order of name.

    secrets_file is where Connect finds the address and the password of the database: a properties
    file with database.hostname, .port, .dbname, .user and .password. Only Connect reads it; the
    configuration holds references to it and no secret. OUTBOX_PACE says how often the connector
    looks for events. Raises DefinitionInvalidError.
    """
    replacements = {
        _SECRETS_FILE: _location(secrets_file),
        _POLL_INTERVAL_MS: _poll_interval_ms(),
    }
    return tuple(_load(path, replacements) for path in sorted(_DIRECTORY.glob("*.json")))


def _poll_interval_ms() -> str:
    pace = os.environ.get("OUTBOX_PACE") or "quick"
    if pace not in PACES:
        raise DefinitionInvalidError(
            f"OUTBOX_PACE is {pace!r}, which is no pace: choose {' or '.join(PACES)}."
        )
    return PACES[pace]


def _location(secrets_file: Path) -> str:
    location = str(secrets_file.absolute())
    if ":" in location or "}" in location:
        raise DefinitionInvalidError(
            f"The secrets file {location} has a ':' or '}}' in its path, which Connect cannot refer"
            " to. Choose another path (OUTBOX_HOME)."
        )
    return location


def _load(path: Path, replacements: Mapping[str, str]) -> Definition:
    read = json.loads(path.read_text(encoding="utf-8"))
    config: dict[str, str] = read["config"]
    for placeholder, value in replacements.items():
        config = {key: text.replace(placeholder, value) for key, text in config.items()}
    return Definition(read["name"], config)
