"""Kafka Connect in distributed mode, with Debezium as its only plugin."""

from pathlib import Path

from infra.local.files import write_private
from infra.local.java import COMPILERS_WAIT, log_options
from infra.local.java_cache import cached_command
from infra.local.kafka import topic_scale
from infra.local.layout import HOST, Layout, numbered, numbers
from infra.local.programs import CONNECT, JavaProgram, Program, connect_name

HEAP = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-Xss512k")
PLUGINS = "plugins"
LOG_LEVELS = {
    "org.apache.kafka.connect.runtime.Worker": "info",
    "org.apache.kafka.connect.runtime.distributed.DistributedHerder": "info",
    "io.debezium.connector.postgresql": "info",
}


CONNECT_JAVA = JavaProgram(
    name=CONNECT,
    main_class="org.apache.kafka.connect.cli.ConnectDistributed",
    options=(*HEAP, *COMPILERS_WAIT, *log_options(LOG_LEVELS)),
)


def worker_file(layout: Layout, number: int) -> Path:
    """Return where the configuration of Connect's worker ``number`` lies."""
    return layout.connect / f"{numbered('worker', number)}.properties"


def secrets_file(layout: Layout) -> Path:
    """Return what the connector's definition refers to through Connect's file provider."""
    return layout.connect / "secrets" / "postgres.properties"


def write_connector_secrets(layout: Layout, database: str, user: str, password: str) -> None:
    """Tell the connector where its database is, without a word of it in the definition."""
    settings = {
        "database.hostname": HOST,
        "database.port": layout.postgres_port,
        "database.user": user,
        "database.password": password,
        "database.dbname": database,
    }
    text = "".join(f"{key}={value}\n" for key, value in settings.items())
    write_private(secrets_file(layout), text)


def worker_properties(layout: Layout, jars: Path, number: int) -> str:
    """Return the configuration of Connect's worker ``number`` itself, counted from 1."""
    copies = topic_scale(layout).replication_factor
    string_converter = "org.apache.kafka.connect.storage.StringConverter"
    settings = {
        "bootstrap.servers": layout.kafka_bootstrap_servers,
        "group.id": "outbox-connect",
        "config.storage.topic": "outbox-connect-configs",
        "offset.storage.topic": "outbox-connect-offsets",
        "status.storage.topic": "outbox-connect-status",
        "config.storage.replication.factor": copies,
        "offset.storage.replication.factor": copies,
        "status.storage.replication.factor": copies,
        "offset.storage.partitions": 1,
        "status.storage.partitions": 1,
        "key.converter": string_converter,
        "value.converter": string_converter,
        "plugin.path": jars / PLUGINS,
        "plugin.discovery": "service_load",
        "listeners": layout.connect_address(number),
        "rest.advertised.host.name": HOST,
        "connector.client.config.override.policy": "All",
        "config.providers": "file",
        "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
        "config.providers.file.param.allowed.paths": secrets_file(layout).parent,
        "topic.creation.enable": "false",
        # Kept often, since what lies between is sent twice after a crash.
        "offset.flush.interval.ms": 1000,
        # After a kill its successor, or the other worker, waits for the dead member's session only.
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 2000,
        "scheduled.rebalance.max.delay.ms": 0,
        # Of its own topics, which rarely change; a fetch ends with the first record anyway.
        "fetch.max.wait.ms": 5000,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def prepare_connect(layout: Layout, jars: Path) -> None:
    """Write every worker's configuration; the folder of secrets must be there when one starts."""
    secrets_file(layout).parent.mkdir(parents=True, exist_ok=True)
    for number in numbers(layout.connect_worker_count):
        write_private(worker_file(layout, number), worker_properties(layout, jars, number))


def connect_program(layout: Layout, jars: Path, number: int) -> Program:
    """Return Connect's worker ``number`` as supervisord runs it."""
    return Program(
        name=connect_name(number),
        command=cached_command(jars, CONNECT_JAVA, [str(worker_file(layout, number))]),
        stop_seconds=25,
    )
