"""Kafka: one KRaft process that is broker and controller."""

import subprocess
from pathlib import Path

from infra.local.errors import ProcessFailedError
from infra.local.files import captured_output, write_private
from infra.local.java import COMPILERS_WAIT, java_command, log_options
from infra.local.java_cache import cached_command
from infra.local.layout import HOST, Layout
from infra.local.programs import KAFKA, JavaProgram, Program

HEAP = ("-Xms128m", "-Xmx320m", "-XX:+UseSerialGC", "-Xss512k")
FORMAT_SECONDS = 60
KAFKA_JAVA = JavaProgram(
    name=KAFKA,
    main_class="kafka.Kafka",
    options=(*HEAP, *COMPILERS_WAIT, *log_options({"kafka.server.KafkaRaftServer": "info"})),
)


def server_file(layout: Layout) -> Path:
    """Return where the broker's configuration lies."""
    return layout.kafka / "server.properties"


def server_properties(layout: Layout) -> str:
    """Return the broker's configuration."""
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{HOST}:{layout.controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{HOST}:{layout.kafka_port},"
        f"CONTROLLER://{HOST}:{layout.controller_port}",
        "advertised.listeners": f"PLAINTEXT://{layout.kafka_bootstrap_servers}",
        "log.dirs": layout.kafka / "data",
        "auto.create.topics.enable": "false",
        "message.max.bytes": 2 * 1024 * 1024,
        "replica.fetch.max.bytes": 2 * 1024 * 1024,
        # One broker: every internal topic has one replica, and few partitions start quickly.
        "default.replication.factor": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # What a consumer group has committed must outlive a long stop of the stack.
        "offsets.retention.minutes": 60 * 24 * 365,
        # A killed member is noticed after its own, shorter session; the first join is not delayed.
        "group.min.session.timeout.ms": 1000,
        "group.initial.rebalance.delay.ms": 0,
        # A killed broker is taken back by its controller only when its old session has run out:
        # with the default of 9 s, Kafka was back after 11 s, of which it had worked for 3. With 3,
        # a broker on an overloaded machine was fenced again and again, though it was alive.
        "broker.session.timeout.ms": 6000,
        "broker.heartbeat.interval.ms": 1500,
        # Twice a second by default, an idle controller writes a record from which others would see
        # that they are not behind. There are no others.
        "metadata.max.idle.interval.ms": 5000,
        # The default buffer of 128 MiB would be half of the heap.
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def prepare_kafka(layout: Layout, jars: Path, cluster_id: str) -> None:
    """Write the configuration; format the storage the first time. Raises ProcessFailedError."""
    properties = server_file(layout)
    write_private(properties, server_properties(layout))
    if (layout.kafka / "data" / "meta.properties").exists():
        return
    arguments = ["format", "--ignore-formatted", "-t", cluster_id, "-c", str(properties)]
    command = java_command(jars, "kafka.tools.StorageTool", arguments, (*HEAP, *log_options({})))
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=FORMAT_SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        output = captured_output(error)
        raise ProcessFailedError(f"Kafka's storage could not be formatted:\n{output}") from error


def kafka_program(layout: Layout, jars: Path) -> Program:
    """Return the broker as supervisord runs it."""
    return Program(
        name=KAFKA,
        command=cached_command(jars, KAFKA_JAVA, [str(server_file(layout))]),
        stop_seconds=25,
    )
