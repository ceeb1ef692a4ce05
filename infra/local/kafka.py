"""Kafka: processes that are broker and KRaft controller at once; one, or a quorum of them."""

import os
import subprocess
from pathlib import Path

from infra.connect.properties import properties_text
from infra.local.errors import ProcessFailedError, StackError
from infra.local.files import captured_output, write_private
from infra.local.java import COMPILERS_WAIT, java_command, log_options
from infra.local.java_cache import cached_command
from infra.local.layout import HOST, Layout, numbered, numbers
from infra.local.programs import KAFKA, JavaProgram, Program, broker_name
from schemas.topics import PARTITIONS, Scale

# Twice a second by default, an idle controller writes a record from which others would see that
# they are not behind. There are no others.
_ALONE = {"metadata.max.idle.interval.ms": 5000}
HEAP = ("-Xms128m", "-Xmx320m", "-XX:+UseSerialGC", "-Xss512k")
FORMAT_SECONDS = 60
KAFKA_JAVA = JavaProgram(
    name=KAFKA,
    main_class="kafka.Kafka",
    options=(*HEAP, *COMPILERS_WAIT, *log_options({"kafka.server.KafkaRaftServer": "info"})),
)


def topic_scale(layout: Layout) -> Scale:
    """Return how many copies a topic has: three where there are brokers, of which one may fail."""
    copies = min(layout.broker_count, 3)
    return Scale(_partitions(), replication_factor=copies, min_insync_replicas=max(1, copies - 1))


def _partitions() -> int:
    """Return OUTBOX_TOPIC_PARTITIONS, else the catalogue's; raises StackError."""
    text = os.environ.get("OUTBOX_TOPIC_PARTITIONS") or str(PARTITIONS)
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise StackError(f"OUTBOX_TOPIC_PARTITIONS is {text!r}; it must be a number from 1 on.")
    return int(text)


def server_file(layout: Layout, number: int) -> Path:
    """Return where the configuration of broker ``number`` lies."""
    return layout.kafka / f"{numbered('server', number)}.properties"


def data_directory(layout: Layout, number: int) -> Path:
    """Return where broker ``number`` keeps its records."""
    return layout.kafka / numbered("data", number)


def server_properties(layout: Layout, number: int) -> str:
    """Return the configuration of broker ``number``, counted from 1."""
    voters = [
        f"{voter}@{HOST}:{layout.controller_port(voter)}" for voter in numbers(layout.broker_count)
    ]
    scale = topic_scale(layout)
    copies, insync = scale.replication_factor, scale.min_insync_replicas
    settings = {
        "process.roles": "broker,controller",
        "node.id": number,
        "controller.quorum.voters": ",".join(voters),
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{layout.broker_address(number)},"
        f"CONTROLLER://{HOST}:{layout.controller_port(number)}",
        "advertised.listeners": f"PLAINTEXT://{layout.broker_address(number)}",
        "log.dirs": data_directory(layout, number),
        "auto.create.topics.enable": "false",
        "message.max.bytes": 2 * 1024 * 1024,
        "replica.fetch.max.bytes": 2 * 1024 * 1024,
        # Few partitions of the internal topics start quickly.
        "default.replication.factor": copies,
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": insync,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": insync,
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
        # The default buffer of 128 MiB would be half of the heap.
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
        **(_ALONE if layout.broker_count == 1 else {"min.insync.replicas": insync}),
    }
    return properties_text(settings)


def has_data(layout: Layout, number: int) -> bool:
    """Whether broker ``number`` has ever been given its storage."""
    return (data_directory(layout, number) / "meta.properties").exists()


def prepare_kafka(layout: Layout, jars: Path, cluster_id: str, number: int) -> None:
    """Write a broker's configuration; format its storage the first time.

    Raises ProcessFailedError.
    """
    properties = server_file(layout, number)
    write_private(properties, server_properties(layout, number))
    if has_data(layout, number):
        return
    arguments = ["format", "--ignore-formatted", "-t", cluster_id, "-c", str(properties)]
    command = java_command(jars, "kafka.tools.StorageTool", arguments, (*HEAP, *log_options({})))
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=FORMAT_SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        output = captured_output(error)
        raise ProcessFailedError(f"Kafka's storage could not be formatted:\n{output}") from error


def kafka_program(layout: Layout, jars: Path, number: int) -> Program:
    """Return broker ``number`` as supervisord runs it."""
    return Program(
        name=broker_name(number),
        command=cached_command(jars, KAFKA_JAVA, [str(server_file(layout, number))]),
        stop_seconds=25,
    )
