"""How Kafka's brokers are reached: where they are, and by what TLS and SASL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"]


@dataclass(frozen=True, slots=True)
class Security:
    """How a client proves who it is, and how it knows the brokers.

    Files are PEM. Without `ca_file` the system's authorities are trusted; `certificate_file` and
    `key_file` are the client's own, for brokers that ask for one.
    """

    protocol: Protocol = "PLAINTEXT"
    mechanism: Mechanism = "SCRAM-SHA-512"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    key_password: str | None = field(default=None, repr=False)

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.protocol.endswith("SSL")

    @property
    def uses_sasl(self) -> bool:
        """Whether the client gives a name and a password."""
        return self.protocol.startswith("SASL")


PLAINTEXT = Security()


@dataclass(frozen=True, slots=True)
class Brokers:
    """A Kafka cluster, as a client reaches it; `addresses`: `host:port`, with commas between."""

    addresses: str
    security: Security = PLAINTEXT

    def __str__(self) -> str:
        """Return the addresses, for people."""
        return self.addresses

    @property
    def client(self) -> dict[str, str]:
        """What every client needs, as librdkafka names it."""
        return {"bootstrap.servers": self.addresses, **librdkafka_security(self.security)}


def librdkafka_security(security: Security) -> dict[str, str]:
    """Return librdkafka's settings for TLS and SASL; none where neither is used."""
    settings: dict[str, str | Path | None] = {}
    if security.protocol != PLAINTEXT.protocol:
        settings["security.protocol"] = security.protocol
    if security.uses_sasl:
        settings["sasl.mechanism"] = security.mechanism
        settings["sasl.username"] = security.username
        settings["sasl.password"] = security.password
    if security.uses_tls:
        settings["ssl.ca.location"] = security.ca_file
        settings["ssl.certificate.location"] = security.certificate_file
        settings["ssl.key.location"] = security.key_file
        settings["ssl.key.password"] = security.key_password
    return {name: str(value) for name, value in settings.items() if value is not None}
