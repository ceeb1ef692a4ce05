"""A copy is of one changelog, and a changelog of one source topic: another of its name is told."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from stream_processors.engine.changelog import PositionLost
from stream_processors.engine.genesis import GENESIS_KEY, Genesis
from tests.integration.kafka_topics import Topics
from tests.integration.table_worker import Start, started_workers
from tests.running_stack import RunningStack


@pytest.fixture
def topics(stack: RunningStack) -> Topics:
    return Topics(stack.brokers)


@pytest.fixture
def start(topics: Topics, tmp_path: Path) -> Iterator[Start]:
    with started_workers(topics, tmp_path) as start:
        yield start


def test_a_copy_of_another_changelog_is_not_trusted_though_its_position_is_there(
    start: Start, topics: Topics
) -> None:
    """By its position alone it would go on, without the first facts of the new one."""
    worker = start("a")
    worker.add("1", "2")
    topics.make_anew(worker.log.topic)
    start("b").add("3", "4", "5", "6")

    with pytest.raises(PositionLost, match="made anew"):
        start("a")


def test_a_copy_of_a_changelog_that_a_person_replaced_is_dropped_for_the_new_one(
    start: Start, topics: Topics
) -> None:
    worker = start("a")
    worker.add("1", "2", "3")
    topics.make_anew(worker.log.topic)
    rebuilt = Genesis(worker.log.source_id, "2026-03-01T12:00:00+00:00")
    topics.produce(worker.log.topic, rebuilt.value, key=GENESIS_KEY)
    start("b").add("3", "4", "5", "6")

    worker = start("a")

    assert worker.known() == ["3", "4", "5", "6"]
    assert worker.add("7")
    assert start("a").known() == ["3", "4", "5", "6", "7"]


def test_a_worker_that_wakes_up_after_its_changelog_was_replaced_drops_its_copy_and_decides_again(
    start: Start, topics: Topics
) -> None:
    stale = start("a")
    stale.add("1", "2", "3")
    topics.make_anew(stale.log.topic)
    rebuilt = Genesis(stale.log.source_id, "2026-03-01T12:00:00+00:00")
    topics.produce(stale.log.topic, rebuilt.value, key=GENESIS_KEY)
    start("b").add("1")
    # As after every batch.
    stale.log.close()

    assert stale.add("4") is False

    assert stale.known() == ["1", "4"]


def test_facts_of_a_source_topic_that_was_made_anew_are_not_built_upon(
    start: Start, topics: Topics
) -> None:
    worker = start("a")
    worker.add("1")
    topics.make_anew(worker.log.source_topic)

    for name in ("a", "b"):
        with pytest.raises(PositionLost, match="deleted and made anew"):
            start(name)


def test_facts_whose_rebuild_was_broken_off_are_not_built_upon_until_all_are_there(
    start: Start, topics: Topics
) -> None:
    worker = start("a")
    topics.make_anew(worker.log.topic)
    begun = Genesis(worker.log.source_id, "2026-03-01T12:00:00+00:00", complete=False)
    topics.produce(worker.log.topic, begun.value, key=GENESIS_KEY)
    topics.produce(worker.log.topic, b"fact", key=b"1")
    with pytest.raises(PositionLost, match="a rebuild was broken off"):
        start("a")

    topics.produce(worker.log.topic, replace(begun, complete=True).value, key=GENESIS_KEY)

    assert start("a").known() == ["1"]


def test_a_source_topic_made_anew_under_a_running_worker_is_told_at_the_next_gap(
    start: Start, topics: Topics
) -> None:
    worker = start("a")
    topics.produce(worker.log.source_topic, b"1", b"2")
    worker.table.check_skipped(0, 1, 1)
    topics.make_anew(worker.log.source_topic)
    topics.produce(worker.log.source_topic, b"1", b"2")
    worker.log.close()

    with pytest.raises(PositionLost, match="deleted and made anew"):
        worker.table.check_skipped(0, 1, 1)


def test_a_changelog_of_an_earlier_release_is_taken_over_with_the_source_there_is(
    start: Start, topics: Topics
) -> None:
    """Its genesis was empty: there is nothing to compare with yet."""
    worker = start("a")
    topics.make_anew(worker.log.topic)
    topics.produce(worker.log.topic, b"", key=GENESIS_KEY)
    topics.produce(worker.log.topic, b"fact", key=b"1")

    worker = start("b")

    assert worker.known() == ["1"]
    assert worker.table.partition(0).genesis == Genesis(worker.log.source_id)
    topics.make_anew(worker.log.source_topic)
    with pytest.raises(PositionLost, match="deleted and made anew"):
        start("b")
