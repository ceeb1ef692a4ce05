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

_SSL = {
    "OUTBOX_CONNECTOR_SSL_MODE": "database.sslmode",
    "OUTBOX_CONNECTOR_SSL_CA_FILE": "database.sslrootcert",
    "OUTBOX_CONNECTOR_SSL_CERTIFICATE_FILE": "database.sslcert",
    "OUTBOX_CONNECTOR_SSL_KEY_FILE": "database.sslkey",
}
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
"""What OUTBOX_CONNECTOR_SSL_MODE may be, as PostgreSQL's clients name it; Debezium's is prefer."""

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


def load_definitions(
    secrets_file: Path, environment: Mapping[str, str] = os.environ
) -> tuple[Definition, ...]:
    """Read every definition, in order of name.

    secrets_file is where Connect finds the address and the password of the database: a properties
    file with database.hostname, .port, .dbname, .user and .password. Only Connect reads it; the
    configuration holds references to it and no secret. OUTBOX_PACE says how often the connector
    looks for events, OUTBOX_CONNECTOR_SSL_… how it reaches the database by TLS; whoever looks at a
    connector must have them as whoever applied it. Raises DefinitionInvalidError.
    """
    replacements = {
        _SECRETS_FILE: _location(secrets_file),
        _POLL_INTERVAL_MS: _poll_interval_ms(environment),
    }
    ssl = _ssl(environment)
    return tuple(_load(path, replacements, ssl) for path in sorted(_DIRECTORY.glob("*.json")))


def _ssl(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the connector is told of TLS, by the names of its configuration."""
    told = {key: environment[name] for name, key in _SSL.items() if environment.get(name)}
    mode = told.get("database.sslmode")
    if mode is not None and mode not in SSL_MODES:
        raise DefinitionInvalidError(
            f"OUTBOX_CONNECTOR_SSL_MODE is {mode!r}, which is none: choose {', '.join(SSL_MODES)}."
        )
    if (mode or "").startswith("verify") and "database.sslrootcert" not in told:
        raise DefinitionInvalidError(
            f"OUTBOX_CONNECTOR_SSL_MODE is {mode}, which needs OUTBOX_CONNECTOR_SSL_CA_FILE: the "
            "authority's certificate, as a file of Kafka Connect."
        )
    return told


def _poll_interval_ms(environment: Mapping[str, str]) -> str:
    pace = environment.get("OUTBOX_PACE") or "quick"
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


def _load(path: Path, replacements: Mapping[str, str], ssl: Mapping[str, str]) -> Definition:
    read = json.loads(path.read_text(encoding="utf-8"))
    config: dict[str, str] = read["config"]
    for placeholder, value in replacements.items():
        config = {key: text.replace(placeholder, value) for key, text in config.items()}
    return Definition(read["name"], {**config, **ssl})
