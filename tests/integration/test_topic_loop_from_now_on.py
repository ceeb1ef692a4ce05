"""A topic loop that reads only what comes: what was there before is not for it."""

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
    return topics.make("source")


@pytest.fixture
def group(topics: Topics) -> str:
    return topics.unique("group")


@pytest.fixture
def start(topics: Topics, topic: str, group: str) -> Iterator[Start]:
    with readers(topics, group, topic) as start:
        yield start


def assigned(reader: Reader) -> Reader:
    soon(lambda: reader.loop.assigned is not None)
    return reader


def test_a_new_group_begins_with_what_comes_after_its_first_start(
    start: Start, topics: Topics, topic: str
) -> None:
    topics.produce(topic, b"old", b"older")
    reader = assigned(start(from_now_on=True))
    topics.produce(topic, b"new")
    reader.wait_for(1)
    assert reader.given == [b"new"]


def test_what_came_while_it_was_away_is_read_also_where_nothing_had_come_before(
    start: Start, topics: Topics, topic: str, group: str
) -> None:
    topics.produce(topic, b"old")
    assigned(start(from_now_on=True)).stop()
    assert topics.committed(group, topic) == 1
    topics.produce(topic, b"meanwhile")
    reader = start(from_now_on=True)
    reader.wait_for(1)
    assert reader.given == [b"meanwhile"]


def test_a_lost_position_is_no_fault_and_what_comes_then_is_read(
    start: Start, topics: Topics, topic: str, group: str
) -> None:
    topics.produce(topic, b"1", b"2", b"3")
    topics.commit(group, topic, 1)
    topics.truncate(topic, 2)
    reader = assigned(start(from_now_on=True))
    # Where the topic ends is asked for only once the broker has refused the position.
    for number in range(200):
        topics.produce(topic, b"new %d" % number)
        if reader.given:
            break
    reader.wait_for(1)
    assert b"3" not in reader.given
    assert (reader.given[0] or b"").startswith(b"new")
