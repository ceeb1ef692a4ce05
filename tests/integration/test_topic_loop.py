"""The ledger writer and Kafka: a batch is committed after it was carried out, never before."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from confluent_kafka import Consumer, Producer

from stream_processors.engine.changelog import PositionLost
from stream_processors.engine.messages import InboundRecord
from stream_processors.ledger import membership
from stream_processors.ledger.consuming import TopicLoop
from stream_processors.ledger.database import Stopped
from stream_processors.ledger.membership import StrandedError
from tests.integration.kafka_topics import Topics
from tests.running_stack import RunningStack
from tests.unit.test_crash import raise_as_librdkafka_does

LOOP_IN_A_PROCESS = """
import sys, threading
from stream_processors.ledger.consuming import TopicLoop

group, topic, servers = sys.argv[1:]
loop = TopicLoop(
    group=group, topics=[topic], member="member-1", kafka={"bootstrap.servers": servers},
    carry_out=lambda records: [print(record.value.decode(), flush=True) for record in records],
    stopping=threading.Event(),
    on_fault=lambda doing, fault: print("fault", repr(fault), flush=True),
)
loop.start()
loop.join()
"""
BEYOND_ITS_SESSION_SECONDS = 8.0

CarryOut = Callable[[Sequence[InboundRecord]], None]


@pytest.fixture
def topics(stack: RunningStack) -> Topics:
    return Topics(stack.address("kafka_bootstrap_servers"))


class Reader:
    """A topic loop of a group of its own, and what it was given."""

    def __init__(self, topics: Topics, group: str, topic: str, member: str, then: CarryOut) -> None:
        self.stopping = threading.Event()
        self.faults: list[BaseException] = []
        self.given: list[bytes | None] = []
        self._then = then
        self.loop = TopicLoop(
            group=group,
            topics=[topic],
            member=member,
            kafka=topics.settings,
            carry_out=self._carry_out,
            stopping=self.stopping,
            on_fault=lambda _, fault: self.faults.append(fault),
        )
        self.loop.start()

    def stop(self) -> None:
        self.stopping.set()
        self.loop.join(20)
        assert not self.loop.is_alive()
        if self.faults:
            # In a process of its own it would be gone; here its consumer outlives Kafka otherwise.
            self.loop._consumer.close()

    def wait_for(self, count: int) -> None:
        _wait_until(lambda: len(self.given) >= count or bool(self.faults))
        assert self.faults == []

    def _carry_out(self, records: Sequence[InboundRecord]) -> None:
        self._then(records)
        self.given.extend(record.value for record in records)


def _wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


Start = Callable[..., Reader]


@pytest.fixture
def topic(topics: Topics) -> str:
    return topics.make("source", partitions=2)


@pytest.fixture
def group(topics: Topics) -> str:
    return topics.unique("group")


@pytest.fixture
def start(topics: Topics, topic: str, group: str) -> Iterator[Start]:
    running: list[Reader] = []

    def start(then: CarryOut = lambda _: None, member: str = "member-1") -> Reader:
        running.append(Reader(topics, group, topic, member, then))
        return running[-1]

    yield start
    for reader in running:
        reader.stop()


def test_records_arrive_as_they_are_and_are_committed_within_a_second(
    start: Start, topics: Topics, topic: str, group: str
) -> None:
    topics.produce(topic, b"1", b"2", b"")
    given: list[InboundRecord] = []
    reader = start(given.extend)
    reader.wait_for(3)

    assert [(each.position, each.key, each.value) for each in given] == [
        (f"{topic}[0]@0", b"key", b"1"),
        (f"{topic}[0]@1", b"key", b"2"),
        (f"{topic}[0]@2", b"key", b""),
    ]
    _wait_until(lambda: topics.committed(group, topic) == 3)


def test_a_batch_that_fails_is_a_fault_and_not_committed(
    start: Start, topics: Topics, topic: str, group: str
) -> None:
    def fail(records: Sequence[InboundRecord]) -> None:
        if records[-1].value == b"2":
            raise ZeroDivisionError

    topics.produce(topic, b"1")
    reader = start(fail)
    reader.wait_for(1)
    topics.produce(topic, b"2")
    _wait_until(lambda: bool(reader.faults))

    assert isinstance(reader.faults[0], ZeroDivisionError)
    assert topics.committed(group, topic) <= 1


def test_an_error_of_librdkafka_that_is_no_exception_is_a_fault_too(
    start: Start, topics: Topics, topic: str
) -> None:
    topics.produce(topic, b"1")
    reader = start(lambda _: raise_as_librdkafka_does())
    _wait_until(lambda: bool(reader.faults))

    assert "of a callback" in str(reader.faults[0])


def test_a_restarted_member_goes_on_where_it_had_committed(
    start: Start, topics: Topics, topic: str
) -> None:
    topics.produce(topic, b"1", b"2")
    first = start()
    first.wait_for(2)
    first.stop()
    topics.produce(topic, b"3")

    second = start()
    second.wait_for(1)

    assert second.given == [b"3"]


def test_stopping_finishes_the_batch_in_hand_and_commits_it(
    start: Start, topics: Topics, topic: str, group: str
) -> None:
    in_hand, go_on = threading.Event(), threading.Event()

    def wait(_: Sequence[InboundRecord]) -> None:
        in_hand.set()
        go_on.wait(20)

    topics.produce(topic, b"1")
    reader = start(wait)
    assert in_hand.wait(20)
    reader.stopping.set()
    time.sleep(0.3)
    assert topics.committed(group, topic) < 0
    go_on.set()
    reader.stop()

    assert topics.committed(group, topic) == 1
    assert reader.faults == []


def test_stopping_while_the_database_is_away_commits_nothing_and_is_no_fault(
    start: Start, topics: Topics, topic: str, group: str
) -> None:
    def wait_for_the_database(_: Sequence[InboundRecord]) -> None:
        raise Stopped

    topics.produce(topic, b"1")
    reader = start(wait_for_the_database)
    reader.loop.join(20)

    assert not reader.loop.is_alive()
    assert reader.faults == []
    assert topics.committed(group, topic) < 0


def test_a_position_that_is_no_longer_in_the_topic_is_a_fault(
    start: Start, topics: Topics, topic: str, group: str
) -> None:
    topics.produce(topic, b"1", b"2", b"3")
    topics.commit(group, topic, 1)
    topics.truncate(topic, before=2)

    reader = start()
    _wait_until(lambda: bool(reader.faults))

    assert isinstance(reader.faults[0], PositionLost)
    assert f"position of {group} in {topic}[0] is no longer in the topic" in str(reader.faults[0])
    assert "outbox rebuild --replace" in str(reader.faults[0])
    assert reader.given == []
    assert topics.committed(group, topic) == 1


def test_a_partition_never_read_is_read_from_its_beginning_also_where_that_was_truncated(
    start: Start, topics: Topics, topic: str
) -> None:
    """Retention removed payables that a group that is new never saw."""
    topics.produce(topic, b"1", b"2", b"3")
    topics.truncate(topic, before=2)

    reader = start()
    reader.wait_for(1)

    assert reader.given == [b"3"]


def test_a_second_member_shares_the_partitions_and_nothing_is_lost(
    start: Start, topics: Topics, topic: str
) -> None:
    first = start()
    _wait_until(lambda: first.loop.assigned is not None)
    second = start(member="member-2")
    sent = [b"%d" % number for number in range(200)]
    for number, value in enumerate(sent):
        topics.produce(topic, value, partition=number % 2)
    _wait_until(lambda: len({*first.given, *second.given}) == 200)

    assert {*first.given, *second.given} == set(sent)
    _wait_until(lambda: len(second.loop.assigned or ()) == 1)
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
    _wait_until(lambda: len(second.loop.assigned or ()) == 1)
    topics.produce(topic, b"3", partition=0)
    topics.produce(topic, b"4", partition=1)
    _wait_until(lambda: {*first.given, *second.given} == {b"1", b"2", b"3", b"4"})

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
        _wait_until(lambda: len(lines) > 20)
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(BEYOND_ITS_SESSION_SECONDS)
        before = len(lines)
        os.kill(process.pid, signal.SIGCONT)
        _wait_until(lambda: len(lines) > before + 400)
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
    _wait_until(lambda: silent.poll(0.1) is None and bool(silent.assignment()))

    reader = start()
    _wait_until(lambda: bool(reader.faults))
    silent.close()

    assert isinstance(reader.faults[0], StrandedError)
    assert f"{group} gave this member no partitions" in str(reader.faults[0])
