"""Members of the ledger writer's groups: they share, stand still, come back, are left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from confluent_kafka import Consumer, Producer

from stream_processors.engine.messages import InboundRecord
from stream_processors.ledger import membership
from stream_processors.ledger.membership import StrandedError
from tests.integration.kafka_topics import Topics
from tests.integration.topic_reader import Start, readers, soon
from tests.running_stack import RunningStack

LOOP_IN_A_PROCESS = """
import sys, threading
from stream_processors.ledger.consuming import TopicLoop

group, topic, servers = sys.argv[1:]
loop = TopicLoop(
    group=group, topics=[topic], member="member-1", kafka={"bootstrap.servers": servers},
    carry_out=lambda records: [print(record.value.decode(), flush=True) for record in records],
    every_seconds=0.0,
    stopping=threading.Event(),
    on_fault=lambda doing, fault: print("fault", repr(fault), flush=True),
)
loop.start()
loop.join()
"""
BEYOND_ITS_SESSION_SECONDS = 8.0


@pytest.fixture
def topics(stack: RunningStack) -> Topics:
    return Topics(stack.brokers)


@pytest.fixture
def topic(topics: Topics) -> str:
    return topics.make("source", partitions=2)


@pytest.fixture
def group(topics: Topics) -> str:
    return topics.unique("group")


@pytest.fixture
def start(topics: Topics, topic: str, group: str) -> Iterator[Start]:
    with readers(topics, group, topic) as start:
        yield start


def test_a_second_member_shares_the_partitions_and_nothing_is_lost(
    start: Start, topics: Topics, topic: str
) -> None:
    first = start()
    soon(lambda: first.loop.assigned is not None)
    second = start(member="member-2")
    sent = [b"%d" % number for number in range(200)]
    for number, value in enumerate(sent):
        topics.produce(topic, value, partition=number % 2)
    soon(lambda: len({*first.given, *second.given}) == 200)

    assert {*first.given, *second.given} == set(sent)
    soon(lambda: len(second.loop.assigned or ()) == 1)
    assert first.faults == second.faults == []


def test_a_batch_whose_partition_moved_meanwhile_is_no_fault(
    start: Start, topics: Topics, topic: str
) -> None:
    """It was carried out, and the new owner carries it out once more: both are harmless."""
    in_hand, go_on = threading.Event(), threading.Event()

    def wait(_: Sequence[InboundRecord]) -> None:
        in_hand.set()
        go_on.wait(20)

    topics.produce(topic, b"1", partition=0)
    topics.produce(topic, b"2", partition=1)
    first = start(wait)
    assert in_hand.wait(20)
    second = start(member="member-2")
    time.sleep(1)
    go_on.set()
    soon(lambda: len(second.loop.assigned or ()) == 1)
    topics.produce(topic, b"3", partition=0)
    topics.produce(topic, b"4", partition=1)
    soon(lambda: {*first.given, *second.given} == {b"1", b"2", b"3", b"4"})

    assert first.faults == second.faults == []


def test_a_process_that_was_stopped_beyond_its_session_goes_on_by_itself(
    topics: Topics, topic: str, group: str
) -> None:
    """Its partitions are lost while commits are on their way."""
    servers = topics.settings["bootstrap.servers"]
    process = subprocess.Popen(
        [sys.executable, "-c", LOOP_IN_A_PROCESS, group, topic, str(servers)],
        stdout=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    listener = threading.Thread(target=lambda: lines.extend(process.stdout or ()), daemon=True)
    listener.start()
    stopping = threading.Event()

    def write() -> None:
        producer = Producer(topics.settings)
        while not stopping.wait(0.01):
            producer.produce(topic, b"written")
            producer.poll(0)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        soon(lambda: len(lines) > 20)
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(BEYOND_ITS_SESSION_SECONDS)
        before = len(lines)
        os.kill(process.pid, signal.SIGCONT)
        soon(lambda: len(lines) > before + 400)
    finally:
        stopping.set()
        writer.join()
        process.kill()
        process.wait()
    assert [line for line in lines if line.startswith("fault")] == []


def test_a_member_that_gets_no_partitions_while_kafka_answers_is_a_fault(
    start: Start, topics: Topics, topic: str, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "ASK_SECONDS", 0.5)
    monkeypatch.setattr(membership, "PATIENCE_SECONDS", 2.0)
    # It keeps its place, and takes no part in handing the partitions out anew.
    silent = Consumer({**topics.settings, "group.id": group})
    silent.subscribe([topic])
    soon(lambda: silent.poll(0.1) is None and bool(silent.assignment()))

    reader = start()
    soon(lambda: bool(reader.faults))
    reader.stop()
    silent.close()

    assert isinstance(reader.faults[0], StrandedError)
    assert f"{group} gave this member no partitions" in str(reader.faults[0])
