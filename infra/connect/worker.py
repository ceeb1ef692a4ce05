"""What Kafka Connect is told, wherever it runs: in the local stack and in its image."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.connect.properties import properties_text

MAIN_CLASS = "org.apache.kafka.connect.cli.ConnectDistributed"
LOG_LEVELS = {
    "org.apache.kafka.connect.runtime.Worker": "info",
    "org.apache.kafka.connect.runtime.distributed.DistributedHerder": "info",
    "io.debezium.connector.postgresql": "info",
}


@dataclass(frozen=True, slots=True)
class ConnectWorker:
    """One worker of Connect.

    ``listener`` is where its REST API listens, as http://HOST:PORT; ``advertised_host`` under which
    name the other workers reach it. ``plugins`` holds a folder of jars a plugin. Files below
    ``secrets_directory`` are those that a connector's definition may refer to. ``security`` is what
    its Kafka clients need beside the address (infra.connect.security).
    """

    bootstrap_servers: str
    listener: str
    advertised_host: str
    plugins: Path
    secrets_directory: Path
    replication_factor: int = 1
    security: Mapping[str, str] = field(default_factory=dict)


def worker_properties(worker: ConnectWorker) -> str:
    """Return the configuration of Connect itself."""
    string_converter = "org.apache.kafka.connect.storage.StringConverter"
    return properties_text(
        {
            "bootstrap.servers": worker.bootstrap_servers,
            **worker.security,
            "group.id": "outbox-connect",
            "config.storage.topic": "outbox-connect-configs",
            "offset.storage.topic": "outbox-connect-offsets",
            "status.storage.topic": "outbox-connect-status",
            "config.storage.replication.factor": worker.replication_factor,
            "offset.storage.replication.factor": worker.replication_factor,
            "status.storage.replication.factor": worker.replication_factor,
            "offset.storage.partitions": 1,
            "status.storage.partitions": 1,
            "key.converter": string_converter,
            "value.converter": string_converter,
            "plugin.path": worker.plugins,
            "plugin.discovery": "service_load",
            "listeners": worker.listener,
            "rest.advertised.host.name": worker.advertised_host,
            "connector.client.config.override.policy": "All",
            "config.providers": "file",
            "config.providers.file.class": (
                "org.apache.kafka.common.config.provider.FileConfigProvider"
            ),
            "config.providers.file.param.allowed.paths": worker.secrets_directory,
            "topic.creation.enable": "false",
            # Kept often, since what lies between is sent twice after a crash.
            "offset.flush.interval.ms": 1000,
            # After a kill its successor, or another worker, waits for the dead member only so long.
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 2000,
            "scheduled.rebalance.max.delay.ms": 0,
            # Of its own topics, which rarely change; a fetch ends with the first record anyway.
            "fetch.max.wait.ms": 5000,
        }
    )


@dataclass(frozen=True, slots=True)
class SourceDatabase:
    """Where the connector reads, and as whom."""

    host: str
    port: int
    name: str
    user: str
    password: str = field(repr=False)


def connector_secrets(database: SourceDatabase) -> str:
    """Return what the connector's definition refers to through Connect's file provider."""
    return properties_text(
        {
            "database.hostname": database.host,
            "database.port": database.port,
            "database.user": database.user,
            "database.password": database.password,
            "database.dbname": database.name,
        }
    )
