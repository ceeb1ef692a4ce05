"""Kafka Connect in its image: makes its configuration from the environment, and becomes it."""

import os
import sys
from pathlib import Path

from infra.connect.security import client_properties
from infra.connect.worker import (
    LOG_LEVELS,
    MAIN_CLASS,
    ConnectWorker,
    connector_secrets,
    worker_properties,
)
from infra.images.connect_settings import ConnectImageSettings
from infra.images.state import require_state_directory
from infra.local.files import write_private
from infra.local.java import COMPILERS_WAIT, java_command, log_options
from stream_processors.environment import SettingsError, settings_from_environment

JARS = Path("/opt/outbox/jars")
_EXIT_USAGE = 2


def prepare() -> list[str]:
    """Write what Connect reads, and return its command line.

    Raises SettingsError.
    """
    state = require_state_directory(os.environ)
    settings = settings_from_environment(ConnectImageSettings)
    secrets = settings.connector_secrets_file
    if database := settings.source_database:
        write_private(secrets, connector_secrets(database))
    worker = ConnectWorker(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        listener=f"http://{settings.connect_host}:{settings.connect_port}",
        advertised_host=settings.connect_advertised_host,
        plugins=JARS / "plugins",
        secrets_directory=secrets.parent,
        replication_factor=settings.topic_replication_factor,
        security=client_properties(settings.kafka_security),
    )
    configuration = state / "connect" / "worker.properties"
    write_private(configuration, worker_properties(worker))
    memory = (f"-Xmx{settings.connect_heap_mib}m", "-XX:+UseSerialGC", "-Xss512k")
    options = [*memory, *COMPILERS_WAIT, *log_options(LOG_LEVELS)]
    return java_command(JARS, MAIN_CLASS, [str(configuration)], options)


def main() -> None:
    """Become Connect, which is process 1 from then on and ends in order at SIGTERM."""
    try:
        command = prepare()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(_EXIT_USAGE)
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
