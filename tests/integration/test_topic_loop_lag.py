"""What a topic loop of the ledger writer has before it, as Kafka's fetches told it."""

import threading
from collections.abc import Iterator

import pytest

from tests.integration.kafka_topics import Topics
from tests.integration.topic_reader import Reader, Start, readers, soon
from tests.running_stack import RunningStack


@pytest.fixture
def topics(stack: RunningStack) -> Topics:
    return Topics(stack.brokers)


@pytest.fixture
def topic(topics: Topics) -> str:
    return topics.make("source", partitions=1)


@pytest.fixture
def group(topics: Topics) -> str:
    return topics.unique("group")


@pytest.fixture
def start(topics: Topics, topic: str, group: str) -> Iterator[Start]:
    with readers(topics, group, topic) as start:
        yield start


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a batch in hand waits for."""
    gate = threading.Event()
    yield gate
    gate.set()


def noted(reader: Reader) -> dict[tuple[str, int], int]:
    """Look as the process does each second: the loop's own thread has a batch in hand."""
    reader.loop.look()
    return reader.loop.lags()


def test_what_is_carried_out_is_no_lag_and_what_comes_while_a_batch_is_in_hand_is(
    start: Start, topics: Topics, topic: str, gate: threading.Event
) -> None:
    topics.produce(topic, b"1", b"2", b"3")
    reader = start(lambda _: gate.wait(10))
    soon(lambda: noted(reader) == {(topic, 0): 3})
    topics.produce(topic, b"4")
    soon(lambda: noted(reader) == {(topic, 0): 4})
    gate.set()
    reader.wait_for(4)
    soon(lambda: noted(reader) == {(topic, 0): 0})


def test_a_reader_counts_on_where_its_group_stopped(
    start: Start, topics: Topics, topic: str, group: str, gate: threading.Event
) -> None:
    topics.produce(topic, b"1", b"2")
    first = start()
    first.wait_for(2)
    soon(lambda: topics.committed(group, topic) == 2)
    first.stop()
    assert first.loop.lags() == {}
    topics.produce(topic, b"3")
    second = start(lambda _: gate.wait(10), member="member-2")
    soon(lambda: noted(second) == {(topic, 0): 1})
    gate.set()
    second.wait_for(1)


def test_an_empty_partition_that_was_never_read_has_no_lag(start: Start, topic: str) -> None:
    reader = start()
    soon(lambda: reader.loop.lags() == {(topic, 0): 0})
    reader.loop.look()
    assert reader.loop.queue.stalled_seconds == 0
