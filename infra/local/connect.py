"""Kafka Connect in distributed mode, with Debezium as its only plugin."""

from pathlib import Path

from infra.connect.worker import (
    LOG_LEVELS,
    MAIN_CLASS,
    ConnectWorker,
    SourceDatabase,
    connector_secrets,
    worker_properties,
)
from infra.local.files import write_private
from infra.local.java import COMPILERS_WAIT, log_options
from infra.local.java_cache import cached_command
from infra.local.kafka import topic_scale
from infra.local.layout import HOST, Layout, numbered, numbers
from infra.local.programs import CONNECT, JavaProgram, Program, connect_name

HEAP = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-Xss512k")
PLUGINS = "plugins"
CONNECT_JAVA = JavaProgram(
    name=CONNECT,
    main_class=MAIN_CLASS,
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
    source = SourceDatabase(HOST, layout.postgres_port, database, user, password)
    write_private(secrets_file(layout), connector_secrets(source))


def connect_worker(layout: Layout, jars: Path, number: int) -> ConnectWorker:
    """Return what the stack's own worker ``number`` differs in from others, counted from 1."""
    return ConnectWorker(
        bootstrap_servers=layout.kafka_bootstrap_servers,
        listener=layout.connect_address(number),
        advertised_host=HOST,
        plugins=jars / PLUGINS,
        secrets_directory=secrets_file(layout).parent,
        replication_factor=topic_scale(layout).replication_factor,
    )


def prepare_connect(layout: Layout, jars: Path) -> None:
    """Write every worker's configuration; the folder of secrets must be there when one starts."""
    secrets_file(layout).parent.mkdir(parents=True, exist_ok=True)
    for number in numbers(layout.connect_worker_count):
        worker = connect_worker(layout, jars, number)
        write_private(worker_file(layout, number), worker_properties(worker))


def connect_program(layout: Layout, jars: Path, number: int) -> Program:
    """Return Connect's worker ``number`` as supervisord runs it."""
    return Program(
        name=connect_name(number),
        command=cached_command(jars, CONNECT_JAVA, [str(worker_file(layout, number))]),
        stop_seconds=25,
    )
