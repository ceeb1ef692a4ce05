"""Where the services are: OUTBOX_… environment variables, else the local stack of OUTBOX_HOME."""

from pydantic_settings import (
    BaseSettings,
    JsonConfigSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from infra.local.layout import layout_from_environment
from operations.failures import UnreachableError


class Settings(BaseSettings):
    """Addresses as `outbox env` prints them; None for what is neither set nor running here."""

    model_config = SettingsConfigDict(
        env_prefix="OUTBOX_",
        env_ignore_empty=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    admin_database_url: str | None = None
    """PostgreSQL as a superuser; only `connectors recover` needs one."""
    database_url: str | None = None
    """PostgreSQL as the owner of the tables."""
    app_database_url: str | None = None
    """PostgreSQL as an application, which may insert events; only `demo` needs it."""
    kafka_bootstrap_servers: str | None = None
    """Kafka's brokers: `host:port`, with commas between them."""
    connect_url: str | None = None
    """The REST interface of Kafka Connect."""
    console_url: str | None = None
    """The console, for people."""

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

    def noticing_a_dead_link(self) -> "Settings":
        """Return the same, but that no link to the database that goes nowhere holds for hours."""
        from stream_processors.ledger.database import noticing_a_dead_link  # noqa: PLC0415

        database_url = noticing_a_dead_link(self.need("database_url"))
        return self.model_copy(update={"database_url": database_url})


def load_settings() -> Settings:
    """Read environment and stack now."""
    return Settings()
