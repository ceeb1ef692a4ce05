"""A position that no longer means what it meant is told aloud: going on would lose facts."""

import time
from collections.abc import Iterator

import pytest

from stream_processors.engine.changelog import Changelog, PositionLost, RecordsPassedOver
from stream_processors.engine.genesis import GENESIS_KEY, Genesis
from tests.integration.kafka_topics import Topics
from tests.running_stack import RunningStack


@pytest.fixture
def topics(stack: RunningStack) -> Topics:
    return Topics(stack.brokers)


@pytest.fixture
def group(topics: Topics) -> str:
    return topics.unique("group")


@pytest.fixture
def source(topics: Topics) -> str:
    return topics.make("source")


@pytest.fixture
def changelog(topics: Topics, group: str, source: str) -> Iterator[Changelog]:
    changelog = Changelog(topics.make("changelog"), source, group, topics.settings)
    yield changelog
    changelog.close()


@pytest.fixture
def restarted(changelog: Changelog, topics: Topics, source: str, group: str) -> Iterator[Changelog]:
    """The same in a process that started later."""
    restarted = Changelog(changelog.topic, source, group, topics.settings)
    yield restarted
    restarted.close()


def _read(changelog: Changelog, position: int) -> list[tuple[bytes, bytes]]:
    return [row for rows, _ in changelog.read(0, position) for row in rows]


def test_a_partition_where_nothing_ever_happened_is_in_order(changelog: Changelog) -> None:
    changelog.check_source(0)


def test_a_partition_whose_first_events_wait_is_in_order(
    changelog: Changelog, topics: Topics, source: str
) -> None:
    topics.produce(source, b"1", b"2")

    changelog.check_source(0)


def test_a_partition_with_state_is_in_order_though_nothing_was_committed(
    changelog: Changelog, topics: Topics
) -> None:
    """The process died between its first batch and the commit."""
    topics.produce(changelog.topic, b"fact")

    changelog.check_source(0)


def test_a_partition_that_was_processed_to_its_end_is_in_order(
    changelog: Changelog, topics: Topics, source: str, group: str
) -> None:
    topics.produce(source, b"1", b"2")
    topics.produce(changelog.topic, b"fact")
    topics.commit(group, source, 2)

    changelog.check_source(0)


def test_a_processed_source_with_an_empty_changelog_has_lost_its_state(
    changelog: Changelog, topics: Topics, source: str, group: str
) -> None:
    topics.produce(source, b"1")
    topics.commit(group, source, 1)

    with pytest.raises(PositionLost, match="is empty: the state is lost"):
        changelog.check_source(0)


def test_a_changelog_made_anew_has_lost_its_state(
    changelog: Changelog, restarted: Changelog, topics: Topics, source: str, group: str
) -> None:
    topics.produce(source, b"1")
    topics.produce(changelog.topic, b"fact")
    topics.commit(group, source, 1)
    changelog.check_source(0)

    topics.make_anew(changelog.topic)

    with pytest.raises(PositionLost, match="is empty"):
        restarted.check_source(0)


def test_a_source_truncated_beyond_what_was_processed_has_lost_events(
    changelog: Changelog, topics: Topics, source: str, group: str
) -> None:
    topics.produce(source, b"1", b"2", b"3")
    topics.produce(changelog.topic, b"fact")
    topics.commit(group, source, 1)

    topics.truncate(source, before=2)

    with pytest.raises(PositionLost, match="processed up to offset 1, but the topic now holds 2"):
        changelog.check_source(0)


def test_a_source_truncated_before_anything_was_processed_has_lost_events(
    changelog: Changelog, topics: Topics, source: str
) -> None:
    topics.produce(source, b"1", b"2")
    topics.truncate(source, before=1)

    with pytest.raises(PositionLost, match="processed up to offset 0"):
        changelog.check_source(0)


def test_a_source_truncated_up_to_what_was_processed_is_in_order(
    changelog: Changelog, topics: Topics, source: str, group: str
) -> None:
    """Retention: what was processed may go."""
    topics.produce(source, b"1", b"2", b"3")
    topics.produce(changelog.topic, b"fact")
    topics.commit(group, source, 2)

    topics.truncate(source, before=2)

    changelog.check_source(0)


def test_a_source_that_ends_before_what_was_processed_is_another_one(
    changelog: Changelog, topics: Topics, source: str, group: str
) -> None:
    topics.produce(source, b"1")
    topics.produce(changelog.topic, b"fact")
    topics.commit(group, source, 2)

    with pytest.raises(PositionLost, match="processed up to offset 2, but the topic now holds 0"):
        changelog.check_source(0)


@pytest.mark.parametrize("which", ["source", "changelog"])
def test_a_topic_that_was_deleted_is_told(changelog: Changelog, topics: Topics, which: str) -> None:
    gone = changelog.source_topic if which == "source" else changelog.topic
    topics.delete(gone)

    with pytest.raises(PositionLost, match=f"{gone} does not exist") as told:
        changelog.check_source(0)
    assert "outbox rebuild --replace" in str(told.value)


def test_a_source_that_was_made_anew_is_told_though_its_positions_look_right(
    changelog: Changelog, restarted: Changelog, topics: Topics, source: str
) -> None:
    """Its group's offsets went with it: by them, nothing was ever processed."""
    genesis = Genesis(changelog.source_id)
    changelog.check_begun_for_source(0, genesis)

    topics.make_anew(source)

    restarted.check_source(0)
    with pytest.raises(PositionLost, match="deleted and made anew"):
        restarted.check_begun_for_source(0, genesis)


def test_what_a_changelog_was_begun_for_is_read_from_its_beginning(
    changelog: Changelog, topics: Topics
) -> None:
    assert changelog.genesis(0) is None
    genesis = Genesis("an id", "2026-03-01T12:00:00+00:00")
    topics.produce(changelog.topic, b"fact")
    topics.produce(changelog.topic, genesis.value, key=GENESIS_KEY)
    topics.produce(changelog.topic, b"fact")

    assert changelog.genesis(0) == genesis


def test_a_changelog_is_read_to_its_present_end(changelog: Changelog, topics: Topics) -> None:
    topics.produce(changelog.topic, b"1", b"2", b"3")

    assert _read(changelog, 1) == [(b"key", b"2"), (b"key", b"3")]
    assert _read(changelog, 3) == []


def test_the_markers_of_transactions_are_passed(changelog: Changelog, topics: Topics) -> None:
    topics.produce_in_a_transaction(changelog.topic, b"1")
    topics.produce_in_a_transaction(changelog.topic, b"2")

    positions = [position for _, position in changelog.read(0, 0)]
    assert _read(changelog, 0) == [(b"key", b"1"), (b"key", b"2")]
    assert positions[-1] == 4


def test_a_changelog_that_ends_before_the_position_was_made_anew(
    changelog: Changelog, topics: Topics
) -> None:
    topics.produce(changelog.topic, b"1", b"2")

    with pytest.raises(PositionLost, match="whole up to offset 3, but the topic now holds 0 to 2"):
        _read(changelog, 3)


def test_a_changelog_that_begins_after_the_position_was_truncated(
    changelog: Changelog, topics: Topics
) -> None:
    topics.produce(changelog.topic, b"1", b"2", b"3")
    topics.truncate(changelog.topic, before=2)

    with pytest.raises(PositionLost, match="whole up to offset 1, but the topic now holds 2 to 3"):
        _read(changelog, 1)
    assert _read(changelog, 2) == [(b"key", b"3")]


def test_offsets_skipped_by_kafka_itself_are_in_order(
    changelog: Changelog, topics: Topics, source: str
) -> None:
    topics.produce_in_a_transaction(source, b"1")
    topics.produce(source, b"2")

    changelog.check_skipped(0, 1, 2)
    changelog.check_skipped(0, 3, 9)


def test_records_that_are_there_and_never_came_are_told(
    changelog: Changelog, topics: Topics, source: str
) -> None:
    topics.produce(source, b"0")
    topics.produce_in_a_transaction(source, b"1")
    topics.produce(source, b"3", b"4")

    changelog.check_skipped(0, 2, 3)
    with pytest.raises(RecordsPassedOver, match="at offset 4 came next, but there is one at 3"):
        changelog.check_skipped(0, 2, 4)


def test_records_removed_before_they_were_read_are_told(
    changelog: Changelog, topics: Topics, source: str
) -> None:
    topics.produce(source, b"1", b"2", b"3")
    topics.truncate(source, before=2)

    changelog.check_skipped(0, 2, 2)
    with pytest.raises(PositionLost, match="read up to offset 1, but the topic now holds 2 to 3"):
        changelog.check_skipped(0, 1, 2)


def test_a_source_that_was_made_anew_while_it_was_read_is_told(
    changelog: Changelog, topics: Topics, source: str
) -> None:
    """Kafka's consumers begin at its beginning again, without a word."""
    topics.produce(source, b"1")

    with pytest.raises(PositionLost, match="read up to offset 9, but the topic now holds 0 to 1"):
        changelog.check_skipped(0, 9, 0)


def test_a_changelog_is_read_again_long_after_librdkafka_gave_up_its_idle_connection(
    topics: Topics, source: str, group: str
) -> None:
    impatient = {**topics.settings, "session.timeout.ms": 6000, "max.poll.interval.ms": 6000}
    changelog = Changelog(topics.make("changelog"), source, group, impatient)
    topics.produce(changelog.topic, b"1")
    assert len(_read(changelog, 0)) == 1
    changelog.close()
    time.sleep(8)
    topics.produce(changelog.topic, b"2")
    assert len(_read(changelog, 1)) == 1
    changelog.close()
