"""The ledger writer and Kafka: a batch is committed after it was carried out, never before."""

import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from confluent_kafka import KafkaError
from structlog.testing import capture_logs

from stream_processors.engine.changelog import PositionLost
from stream_processors.engine.messages import InboundRecord
from stream_processors.ledger.database import Stopped
from tests.integration.kafka_topics import Topics
from tests.integration.topic_reader import Start, readers, soon
from tests.librdkafka import raise_as_librdkafka_does
from tests.running_stack import RunningStack


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
    soon(lambda: topics.committed(group, topic) == 3)


def test_records_that_come_close_together_are_carried_out_together_and_a_lone_one_at_once(
    start: Start, topics: Topics, topic: str
) -> None:
    batches: list[list[bytes | None]] = []
    reader = start(
        lambda records: batches.append([record.value for record in records]), every_seconds=2.0
    )
    soon(lambda: reader.loop.assigned is not None)
    topics.produce(topic, b"1")
    produced_at = time.monotonic()
    reader.wait_for(1)
    assert time.monotonic() - produced_at < 1.5
    topics.produce(topic, b"2")
    topics.produce(topic, b"3")
    reader.wait_for(3)

    assert batches == [[b"1"], [b"2", b"3"]]


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
    soon(lambda: bool(reader.faults))

    assert isinstance(reader.faults[0], ZeroDivisionError)
    assert topics.committed(group, topic) <= 1


def test_an_error_of_librdkafka_that_is_no_exception_is_a_fault_too(
    start: Start, topics: Topics, topic: str
) -> None:
    topics.produce(topic, b"1")
    reader = start(lambda _: raise_as_librdkafka_does())
    soon(lambda: bool(reader.faults))

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
    soon(lambda: bool(reader.faults))

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


def test_a_commit_that_kafka_refuses_is_told_and_made_again(
    start: Start, topics: Topics, topic: str, group: str
) -> None:
    topics.produce(topic, b"1")
    reader = start()
    reader.wait_for(1)
    soon(lambda: topics.committed(group, topic) == 1)
    assert reader.loop.commit_taken_at is not None
    with capture_logs() as log:
        reader.loop._answered(KafkaError(KafkaError.REQUEST_TIMED_OUT), [])
    assert [(line["event"], line["group"]) for line in log] == [("commit_refused", group)]
    soon(lambda: not reader.loop._uncommitted)
