"""What the processes of this package need to know, from OUTBOX_… environment variables."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - pydantic reads the annotations at run time
from typing import NoReturn, TypeVar

from pydantic import AwareDatetime, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from stream_processors.groups import PROCESSORS_GROUP

_EXIT_USAGE = 2


class ProcessSettings(BaseSettings):
    """Settings that every process has; ports are of the loopback health endpoint."""

    model_config = SettingsConfigDict(env_prefix="OUTBOX_", use_attribute_docstrings=True)

    kafka_bootstrap_servers: str
    """Kafka's brokers: `host:port`, with commas between them."""
    state_directory: Path
    """A folder of the process's own, which outlives it."""
    health_port: int
    """Where it says, on loopback, whether it does its work."""
    log_level: str = "INFO"
    """What is logged: that level and above."""

    @property
    def kafka(self) -> dict[str, str | int]:
        """Settings that every Kafka client shares, as librdkafka names them."""
        return {"bootstrap.servers": self.kafka_bootstrap_servers}


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


SettingsType = TypeVar("SettingsType", bound=BaseSettings)


class SettingsError(Exception):
    """Settings are missing or wrong; the message has a line for each, with its name."""


def settings_from_environment(
    settings_type: type[SettingsType], prefix: str = "OUTBOX_"
) -> SettingsType:
    """Read settings whose names begin with `prefix`; raises SettingsError."""
    try:
        return settings_type(_env_prefix=prefix)
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            name = prefix + "_".join(str(part) for part in fault["loc"]).upper()
            faults.append(f"{name}: {fault['msg']}: set it in the environment")
        raise SettingsError("\n".join(faults)) from None


def read_settings(settings_type: type[SettingsType]) -> SettingsType:
    """Read the settings of a process, or end it with an error that names each wrong one."""
    try:
        return settings_from_environment(settings_type)
    except SettingsError as error:
        end_as_wrongly_used(error)


def end_as_wrongly_used(error: SettingsError) -> NoReturn:
    """Say what is wrong with the settings of this process, and end it."""
    print(error, file=sys.stderr)  # noqa: T201
    sys.exit(_EXIT_USAGE)
