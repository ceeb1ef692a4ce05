"""Read connector definitions, the JSON files beside this module."""

import json
from dataclasses import dataclass
from pathlib import Path

from connectors.errors import DefinitionInvalidError

_DIRECTORY = Path(__file__).parent / "definitions"
_SECRETS_FILE = "{secrets_file}"


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
    configuration holds references to it and no secret. Raises DefinitionInvalidError.
    """
    return tuple(_load(path, secrets_file) for path in sorted(_DIRECTORY.glob("*.json")))


def _load(path: Path, secrets_file: Path) -> Definition:
    location = str(secrets_file.absolute())
    if ":" in location or "}" in location:
        raise DefinitionInvalidError(
            f"The secrets file {location} has a ':' or '}}' in its path, which Connect cannot refer"
            " to. Choose another path (OUTBOX_HOME)."
        )
    read = json.loads(path.read_text(encoding="utf-8"))
    config = {key: value.replace(_SECRETS_FILE, location) for key, value in read["config"].items()}
    return Definition(read["name"], config)
