"""What Kafka Connect in its image needs to know, from OUTBOX_… environment variables."""

import socket
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from infra.connect.worker import SourceDatabase
from stream_processors.kafka_settings import KafkaSettings


class ConnectImageSettings(KafkaSettings):
    """Where Connect listens, and what the connector logs in with."""

    connector_secrets_file: Path
    """The file of the connector's secrets, which is written here or mounted."""
    connector_database_url: SecretStr | None = Field(default=None, validate_default=True)
    """PostgreSQL as the role that replicates, postgresql://USER:PASSWORD@HOST:PORT/DATABASE; else
    the file of secrets is mounted."""
    connect_host: str = "127.0.0.1"
    """Where its REST interface listens; in the image 0.0.0.0."""
    connect_port: int = Field(default=8083, ge=1, le=65535)
    """On which port it listens."""
    connect_advertised_host: str = Field(default_factory=socket.gethostname)
    """Under which name other workers of Connect reach it; the container's, if nothing is said."""
    connect_heap_mib: int = Field(default=384, ge=64)
    """Java's heap."""
    topic_replication_factor: int = Field(default=1, ge=1)
    """On how many brokers each partition of Connect's own topics lies."""

    @field_validator("connector_database_url")
    @classmethod
    def _whole(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None:
            source_database(value.get_secret_value())
            return value
        secrets = info.data.get("connector_secrets_file")
        if secrets is not None and not secrets.is_file():
            raise ValueError(
                "it is missing, the address of the database as the role that replicates; or mount "
                f"a file of secrets at {secrets} (OUTBOX_CONNECTOR_SECRETS_FILE)"
            )
        return None

    @property
    def source_database(self) -> SourceDatabase | None:
        """Return what the connector logs in with; None where a file of secrets is mounted."""
        url = self.connector_database_url
        return None if url is None else source_database(url.get_secret_value())


def source_database(url: str) -> SourceDatabase:
    """Return what the connector needs, from postgresql://USER:PASSWORD@HOST:PORT/NAME.

    Raises ValueError without repeating the address, which holds a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 5432
    except ValueError:
        raise ValueError("it is no address with a number as its port") from None
    found = {
        "the scheme postgresql": parts.scheme in {"postgresql", "postgres"},
        "a host": parts.hostname,
        "a user": parts.username,
        "a password": parts.password,
        "the name of a database": parts.path.strip("/"),
    }
    missing = [what for what, value in found.items() if not value]
    if missing:
        raise ValueError(
            f"it lacks {', '.join(missing)}: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        )
    return SourceDatabase(
        host=parts.hostname or "",
        port=port,
        name=unquote(parts.path.strip("/")),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )
