"""Where the services are: OUTBOX_… environment variables, else the local stack of OUTBOX_HOME."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    JsonConfigSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
)

from connectors.access import ConnectSecurity
from infra.local.layout import layout_from_environment
from operations.failures import UnreachableError
from schemas.brokers import Brokers
from schemas.topics import PARTITIONS, Scale
from stream_processors.environment import settings_from_environment
from stream_processors.kafka_settings import KafkaSecuritySettings


class Settings(KafkaSecuritySettings):
    """Addresses as `outbox env` prints them; None for what is neither set nor running here."""

    admin_database_url: str | None = None
    """PostgreSQL as a superuser; only `connectors recover` needs one."""
    database_url: str | None = None
    """PostgreSQL as the owner of the tables."""
    app_database_url: str | None = None
    """PostgreSQL as an application, which may insert events; only `demo` needs it."""
    kafka_bootstrap_servers: str | None = None
    """Kafka's brokers: `host:port`, with commas between them."""
    connect_url: str | None = None
    """The REST interface of Kafka Connect: of its workers, with commas between them."""
    connect_username: str | None = None
    """The name that Kafka Connect asks for, if it does."""
    connect_password: SecretStr | None = None
    """The password of that name."""
    connect_ssl_ca_file: Path | None = None
    """With an https address: PEM of the authorities that Kafka Connect's certificate is checked
    against; without it, the system's."""
    connect_ssl_certificate_file: Path | None = None
    """PEM of the client's own certificate, where Kafka Connect asks for one."""
    connect_ssl_key_file: Path | None = None
    """PEM of the key of that certificate."""
    console_url: str | None = None
    """The console, for people."""
    processes: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)
    """Where the processes are that run elsewhere than in the local stack, for `outbox status` and
    the console: `worker-1=http://host:8080`, with commas between them."""
    topic_partitions: int = Field(default=PARTITIONS, ge=1)
    """How many partitions the topics have that sessions and packages pass through."""
    topic_replication_factor: int = Field(default=1, ge=1)
    """On how many brokers each partition of a topic lies; 3 where money hangs on it."""
    topic_min_insync_replicas: int = Field(default=1, ge=1)
    """How many of them must have a record before it counts as written; 2 of 3."""

    @field_validator("processes", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        named = dict(part.strip().partition("=")[::2] for part in value.split(",") if part.strip())
        for name, address in named.items():
            if urlsplit(address).scheme not in {"http", "https"}:
                raise ValueError(f"{name!r}: write NAME=http://HOST:PORT, with commas between")
        return {name: address.rstrip("/") for name, address in named.items()}

    @field_validator("topic_min_insync_replicas")
    @classmethod
    def _can_be_met(cls, value: int, info: ValidationInfo) -> int:
        copies = info.data.get("topic_replication_factor")
        if copies is not None and value > copies:
            raise ValueError(
                f"of {copies} copies (OUTBOX_TOPIC_REPLICATION_FACTOR) it asks {value}"
            )
        return value

    @property
    def scale(self) -> Scale:
        """Return what the topics should be like."""
        return Scale(
            self.topic_partitions, self.topic_replication_factor, self.topic_min_insync_replicas
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - named by pydantic
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - named by pydantic
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take the environment first, then what the local stack wrote when it came up."""
        local = JsonConfigSettingsSource(settings_cls, layout_from_environment().environment)
        return init_settings, env_settings, local

    def need(self, name: str) -> str:
        """One address; raises UnreachableError if it is not known."""
        value: str | None = getattr(self, name)
        if value is None:
            raise UnreachableError(
                f"{name} is not known: start the local stack with `outbox up`, or set "
                f"OUTBOX_{name.upper()}."
            )
        return value

    def brokers(self) -> Brokers:
        """Return how Kafka is reached; raises UnreachableError if its address is not known."""
        return Brokers(self.need("kafka_bootstrap_servers"), self.kafka_security)

    @property
    def connect_security(self) -> ConnectSecurity:
        """Return how Kafka Connect is reached where it is not open to everyone."""
        password = self.connect_password
        return ConnectSecurity(
            username=self.connect_username,
            password=None if password is None else password.get_secret_value(),
            ca_file=self.connect_ssl_ca_file,
            certificate_file=self.connect_ssl_certificate_file,
            key_file=self.connect_ssl_key_file,
        )

    def noticing_a_dead_link(self) -> "Settings":
        """Return the same, but that no link to the database that goes nowhere holds for hours."""
        from stream_processors.ledger.database import noticing_a_dead_link  # noqa: PLC0415

        database_url = noticing_a_dead_link(self.need("database_url"))
        return self.model_copy(update={"database_url": database_url})


def load_settings() -> Settings:
    """Read environment and stack now; raises SettingsError, which names each wrong one."""
    return settings_from_environment(Settings)
