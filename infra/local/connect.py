"""Kafka Connect in distributed mode, with Debezium as its only plugin."""

from pathlib import Path

from infra.local.files import write_private
from infra.local.java import COMPILERS_WAIT, log_options
from infra.local.java_cache import cached_command
from infra.local.layout import HOST, Layout
from infra.local.programs import CONNECT, JavaProgram, Program

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


def worker_file(layout: Layout) -> Path:
    """Return where Connect's own configuration lies."""
    return layout.connect / "worker.properties"


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


def worker_properties(layout: Layout, jars: Path) -> str:
    """Return the configuration of Connect itself."""
    string_converter = "org.apache.kafka.connect.storage.StringConverter"
    settings = {
        "bootstrap.servers": layout.kafka_bootstrap_servers,
        "group.id": "outbox-connect",
        "config.storage.topic": "outbox-connect-configs",
        "offset.storage.topic": "outbox-connect-offsets",
        "status.storage.topic": "outbox-connect-status",
        "config.storage.replication.factor": 1,
        "offset.storage.replication.factor": 1,
        "status.storage.replication.factor": 1,
        "offset.storage.partitions": 1,
        "status.storage.partitions": 1,
        "key.converter": string_converter,
        "value.converter": string_converter,
        "plugin.path": jars / PLUGINS,
        "plugin.discovery": "service_load",
        "listeners": f"http://{HOST}:{layout.connect_port}",
        "rest.advertised.host.name": HOST,
        "connector.client.config.override.policy": "All",
        "config.providers": "file",
        "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
        "config.providers.file.param.allowed.paths": secrets_file(layout).parent,
        "topic.creation.enable": "false",
        # Kept often, since what lies between is sent twice after a crash.
        "offset.flush.interval.ms": 1000,
        # One worker: after a kill its successor waits for the dead member's session only.
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 2000,
        "scheduled.rebalance.max.delay.ms": 0,
        # Of its own topics, which rarely change; a fetch ends with the first record anyway.
        "fetch.max.wait.ms": 5000,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def prepare_connect(layout: Layout, jars: Path) -> None:
    """Write the configuration; the folder of secrets must be there when Connect starts."""
    secrets_file(layout).parent.mkdir(parents=True, exist_ok=True)
    write_private(worker_file(layout), worker_properties(layout, jars))


def connect_program(layout: Layout, jars: Path) -> Program:
    """Return Connect as supervisord runs it."""
    return Program(
        name=CONNECT,
        command=cached_command(jars, CONNECT_JAVA, [str(worker_file(layout))]),
        stop_seconds=25,
    )
