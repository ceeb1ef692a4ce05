"""What the processes of this package need to know, from OUTBOX_… environment variables."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - pydantic reads the annotations at run time
from typing import Annotated, Literal, NoReturn

import structlog
from pydantic import AwareDatetime, BeforeValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from stream_processors.authentication import require_authentication
from stream_processors.engine.logs import set_up_logs
from stream_processors.environment import (
    SettingsError,
    SettingsType,
    settings_from_environment,
)
from stream_processors.groups import PROCESSORS_GROUP
from stream_processors.kafka_settings import KafkaSettings

_EXIT_USAGE = 2

_log = structlog.get_logger(__name__)

LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(str.upper)
]
DEFAULT_LOG_LEVEL: LogLevel = "INFO"


class LoggingSettings(BaseSettings):
    """What a process needs in order to say anything."""

    model_config = SettingsConfigDict(
        env_prefix="OUTBOX_", env_ignore_empty=True, use_attribute_docstrings=True
    )

    log_level: LogLevel = DEFAULT_LOG_LEVEL
    """What is less grave is not written; at DEBUG there is a line for each event."""


class PagesSettings(LoggingSettings):
    """Where a process answers /health, /live and /metrics; anybody who reaches it may read them."""

    health_host: str = "127.0.0.1"
    """At which address of its machine it says whether it does its work; 0.0.0.0 for all."""
    health_port: int = Field(ge=0, le=65535)
    """On which port it says so."""

    @property
    def health_address(self) -> tuple[str, int]:
        """Return both, as a server takes them."""
        return self.health_host, self.health_port


class ProcessSettings(PagesSettings, KafkaSettings):
    """Settings that every process has."""

    state_directory: Path
    """A folder of the process's own, which outlives it."""


class WorkerSettings(ProcessSettings):
    """Settings of a stream processor; the name is its identity in the consumer group.

    Under another application id it runs on trial, beside the others (stream_processors.
    written_topics); `events_until` lets it see only the events that were recorded by then.
    """

    worker_name: str
    """Its identity in the consumer group: no two have the same."""
    application_id: str = Field(default=PROCESSORS_GROUP, pattern=r"^[a-zA-Z0-9_-]{1,100}$")
    """The consumer group; another one than the default is a trial beside the others."""
    events_until: AwareDatetime | None = None
    """Only events recorded by then are seen; for a trial."""


class LedgerWriterSettings(ProcessSettings):
    """Settings of the ledger writer."""

    ledger_writer_database_url: str
    """PostgreSQL as the role that posts."""
    writer_name: str = "ledger-writer"
    """Its identity in the consumer group: no two have the same."""


def read_settings(settings_type: type[SettingsType]) -> SettingsType:
    """Read the settings of a process, or end it with an error in its log for each wrong one.

    Wrong is also what Kafka refuses to know it by.
    """
    try:
        settings = settings_from_environment(settings_type)
        if isinstance(settings, KafkaSettings):
            require_authentication(settings.brokers)
    except SettingsError as error:
        end_as_wrongly_used(error)
    return settings


def end_as_wrongly_used(error: SettingsError) -> NoReturn:
    """Say in the log what is wrong with the settings of this process, and end it."""
    set_up_logs(DEFAULT_LOG_LEVEL)
    for name, fault in error.faults.items():
        _log.critical("setting_refused", setting=name, error=fault)
    sys.exit(_EXIT_USAGE)
