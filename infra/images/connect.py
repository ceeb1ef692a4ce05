"""Kafka Connect in its image: makes its configuration from the environment, and becomes it."""

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast, get_args
from urllib.parse import unquote, urlsplit

from infra.connect.security import client_properties
from infra.connect.worker import (
    LOG_LEVELS,
    MAIN_CLASS,
    ConnectWorker,
    SourceDatabase,
    connector_secrets,
    worker_properties,
)
from infra.images.refusal import SettingRefusedError
from infra.images.state import require_state_directory
from infra.local.files import write_private
from infra.local.java import COMPILERS_WAIT, java_command, log_options
from schemas.brokers import Mechanism, Protocol, Security

JARS = Path("/opt/outbox/jars")
_KAFKA = "OUTBOX_KAFKA_"
_EXIT_USAGE = 2
_HEAP_MIB = 384
_HEAP_MIB_MIN = 64


def needed(environment: Mapping[str, str], name: str, meaning: str) -> str:
    """Return a setting; raises SettingRefusedError where it is missing or empty."""
    value = environment.get(name)
    if not value:
        raise SettingRefusedError(name, f"it is missing, {meaning}: set it in the environment")
    return value


def number(environment: Mapping[str, str], name: str, allowed: range, default: int) -> int:
    """Return a setting that is a whole number; raises SettingRefusedError where it is none."""
    text = environment.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or int(text) not in allowed:
        raise SettingRefusedError(
            name, f"{text!r} is no number from {allowed.start} to {allowed.stop - 1}"
        )
    return int(text)


def source_database(url: str) -> SourceDatabase:
    """Return what the connector needs, from postgresql://USER:PASSWORD@HOST:PORT/NAME.

    Raises SettingRefusedError without repeating the address, which holds a password.
    """
    name = "OUTBOX_CONNECTOR_DATABASE_URL"
    try:
        parts = urlsplit(url)
        port = parts.port or 5432
    except ValueError:
        raise SettingRefusedError(name, "it is no address with a number as its port") from None
    found = {
        "the scheme postgresql": parts.scheme in {"postgresql", "postgres"},
        "a host": parts.hostname,
        "a user": parts.username,
        "a password": parts.password,
        "the name of a database": parts.path.strip("/"),
    }
    missing = [what for what, value in found.items() if not value]
    if missing:
        raise SettingRefusedError(
            name,
            f"it lacks {', '.join(missing)}: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
        )
    return SourceDatabase(
        host=parts.hostname or "",
        port=port,
        name=unquote(parts.path.strip("/")),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def kafka_security(environment: Mapping[str, str]) -> Security:
    """Return how the brokers are spoken to, as every process of ours reads it.

    Raises SettingRefusedError where a setting is wrong, or two do not go together.
    """
    protocol = _choice(environment, "SECURITY_PROTOCOL", get_args(Protocol), "PLAINTEXT")
    mechanism = _choice(environment, "SASL_MECHANISM", get_args(Mechanism), "SCRAM-SHA-512")
    security = Security(
        protocol=cast("Protocol", protocol),
        mechanism=cast("Mechanism", mechanism),
        username=environment.get(f"{_KAFKA}SASL_USERNAME") or None,
        password=environment.get(f"{_KAFKA}SASL_PASSWORD") or None,
        ca_file=_file(environment, "SSL_CA_FILE"),
        certificate_file=_file(environment, "SSL_CERTIFICATE_FILE"),
        key_file=_file(environment, "SSL_KEY_FILE"),
        key_password=environment.get(f"{_KAFKA}SSL_KEY_PASSWORD") or None,
    )
    if security.uses_sasl:
        for name in ("SASL_USERNAME", "SASL_PASSWORD"):
            needed(environment, f"{_KAFKA}{name}", f"and {protocol} wants one")
    if (security.certificate_file is None) != (security.key_file is None):
        missing = "CERTIFICATE" if security.certificate_file is None else "KEY"
        raise SettingRefusedError(
            f"{_KAFKA}SSL_{missing}_FILE",
            "a client's certificate and its key go together: set both or none",
        )
    return security


def _choice(
    environment: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str
) -> str:
    value = environment.get(f"{_KAFKA}{name}") or default
    if value not in allowed:
        raise SettingRefusedError(
            f"{_KAFKA}{name}", f"{value!r} is none: choose one of {', '.join(allowed)}"
        )
    return value


def _file(environment: Mapping[str, str], name: str) -> Path | None:
    path = environment.get(f"{_KAFKA}{name}")
    if not path:
        return None
    if not os.access(path, os.R_OK):
        raise SettingRefusedError(f"{_KAFKA}{name}", f"{path} cannot be read: mount the file there")
    return Path(path)


def write_secrets(environment: Mapping[str, str], path: Path) -> None:
    """Write the connector's secrets file from the address of its database, if there is one.

    Raises SettingRefusedError where there is neither an address nor a file that others mounted.
    """
    url = environment.get("OUTBOX_CONNECTOR_DATABASE_URL")
    if url:
        write_private(path, connector_secrets(source_database(url)))
    elif not path.is_file():
        raise SettingRefusedError(
            "OUTBOX_CONNECTOR_DATABASE_URL",
            "it is missing, the address of the database as the role that replicates: set it, or "
            f"mount a file of secrets at {path} (OUTBOX_CONNECTOR_SECRETS_FILE)",
        )


def prepare(environment: Mapping[str, str]) -> list[str]:
    """Write what Connect reads, and return its command line.

    Raises SettingRefusedError.
    """
    state = require_state_directory(environment)
    servers = needed(environment, "OUTBOX_KAFKA_BOOTSTRAP_SERVERS", "Kafka's brokers as host:port")
    host = environment.get("OUTBOX_CONNECT_HOST") or "127.0.0.1"
    port = number(environment, "OUTBOX_CONNECT_PORT", range(1, 65536), 8083)
    secrets = Path(
        environment.get("OUTBOX_CONNECTOR_SECRETS_FILE") or state / "secrets/postgres.properties"
    )
    copies = number(environment, "OUTBOX_TOPIC_REPLICATION_FACTOR", range(1, 100), 1)
    heap = number(environment, "OUTBOX_CONNECT_HEAP_MIB", range(_HEAP_MIB_MIN, 1 << 20), _HEAP_MIB)
    worker = ConnectWorker(
        bootstrap_servers=servers,
        listener=f"http://{host}:{port}",
        advertised_host=environment.get("OUTBOX_CONNECT_ADVERTISED_HOST") or socket.gethostname(),
        plugins=JARS / "plugins",
        secrets_directory=secrets.parent,
        replication_factor=copies,
        security=client_properties(kafka_security(environment)),
    )
    write_secrets(environment, secrets)
    configuration = state / "connect" / "worker.properties"
    write_private(configuration, worker_properties(worker))
    memory = (f"-Xmx{heap}m", "-XX:+UseSerialGC", "-Xss512k")
    options = [*memory, *COMPILERS_WAIT, *log_options(LOG_LEVELS)]
    return java_command(JARS, MAIN_CLASS, [str(configuration)], options)


def main() -> None:
    """Become Connect, which is process 1 from then on and ends in order at SIGTERM."""
    try:
        command = prepare(os.environ)
    except SettingRefusedError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(_EXIT_USAGE)
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
