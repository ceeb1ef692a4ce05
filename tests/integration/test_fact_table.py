"""The changelog is the truth, the local copy follows it, and other workers may write too."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_processors.engine.changelog import PositionLost
from stream_processors.engine.fact_table import PendingFacts
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


def test_facts_are_found_by_their_prefix_in_the_order_of_their_keys(start: Start) -> None:
    worker = start("a")
    assert worker.add("s1\0b", "s1\0a", "s10\0a", "s2\0a")

    assert worker.known("s1\0") == ["s1\0a", "s1\0b"]
    assert worker.known() == ["s1\0a", "s1\0b", "s10\0a", "s2\0a"]
    assert worker.known("s3\0") == []


def test_a_batch_sees_what_it_adds_beside_what_is_stored(start: Start) -> None:
    worker = start("a")
    worker.add("s1\0a")
    facts = PendingFacts(worker.table.partition(0))
    facts.add(b"s1\0", b"s1\0b", b"new")
    facts.add(b"s2\0", b"s2\0b", b"new")

    assert facts.rows(b"s1\0") == {b"s1\0a": b"fact", b"s1\0b": b"new"}
    assert worker.known() == ["s1\0a"]


def test_a_restarted_worker_has_its_facts_and_reads_nothing_twice(start: Start) -> None:
    start("a").add("1", "2")
    worker = start("a")

    assert worker.known() == ["1", "2"]
    assert worker.table.partition(0).catch_up() == 0


def test_facts_whose_local_copy_is_damaged_are_read_from_the_changelog_again(
    start: Start, tmp_path: Path
) -> None:
    """RocksDB ends an iteration at a block that it cannot read as at the end of all rows."""
    keys = [f"s{number:05}\0a" for number in range(5_000)]
    start("a").add(*keys)
    start("a").close()
    files = sorted(tmp_path.rglob("*.sst"), key=lambda file: file.stat().st_size)
    damaged = bytearray(files[-1].read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    files[-1].write_bytes(damaged)

    partition = start("a").table.partition(0)
    found = {key: dict(partition.rows_of(key.encode()[:-1])) for key in keys}

    assert found == {key: {key.encode(): b"fact"} for key in keys}
    assert partition.catch_up() == 0


def test_a_new_changelog_begins_with_a_genesis_once(start: Start, topics: Topics) -> None:
    worker = start("a")
    worker.recover()
    worker = start("a")

    [message] = topics.read(worker.log.topic, 1)
    assert message.key() == GENESIS_KEY
    assert Genesis.of(message.value()) == Genesis(worker.log.source_id)
    assert worker.table.partition(0).position == 1
    assert worker.known() == []


def test_a_copy_that_was_deleted_comes_back_whole(start: Start) -> None:
    worker = start("a")
    worker.add("1", "2")
    worker.add("3")
    worker.close()
    shutil.rmtree(worker.directory)

    worker = start("a")

    assert worker.known() == ["1", "2", "3"]
    assert worker.table.partition(0).position == 4
    assert worker.add("4")


def test_recovering_three_times_in_a_row_changes_nothing(start: Start) -> None:
    start("a").add("1")
    for _ in range(3):
        start("b")
    worker = start("b")
    for _ in range(3):
        worker.recover()

    assert worker.known() == ["1"]
    assert worker.add("2")
    assert worker.known() == ["1", "2"]


def test_a_worker_that_takes_over_knows_what_the_other_wrote(start: Start) -> None:
    one, other = start("a"), start("b")
    one.add("1")
    other.recover()
    assert other.add("2")
    one.recover()
    assert one.add("3")
    other.recover()

    assert one.known() == other.known() == ["1", "2", "3"]


def test_a_gap_shows_that_another_worker_wrote_and_the_copy_is_whole_again(start: Start) -> None:
    """A worker that was stopped, and woke up after its partition had moved."""
    one, other = start("a"), start("b")
    one.add("1")
    other.recover()
    other.add("2", "3")

    assert one.add("4") is False

    assert one.known() == ["1", "2", "3", "4"]
    assert one.add("5") is True
    other.recover()
    assert other.known() == ["1", "2", "3", "4", "5"]


def test_a_worker_that_wrote_after_its_delivery_but_not_its_copy_is_whole_after_a_restart(
    start: Start,
) -> None:
    """Killed between the delivery and the local write."""
    worker = start("a")
    worker.add("1")
    record = worker.table.changelog_record(0, b"2", b"fact")
    asyncio.run(worker.outbound.deliver([record]))

    assert start("a").known() == ["1", "2"]


def test_two_that_write_by_turns_lose_nothing(start: Start) -> None:
    one, other = start("a"), start("b")
    for number in range(5):
        one.add(f"one {number}")
        other.add(f"other {number}")
    one.recover()
    other.recover()

    assert one.known() == other.known()
    assert len(one.known()) == 10


def test_a_fact_that_is_written_twice_is_one_fact(start: Start) -> None:
    worker = start("a")
    worker.add("1")
    worker.add("1")

    assert worker.known() == ["1"]
    assert worker.table.partition(0).position == 3


def test_a_batch_without_facts_is_stored_by_doing_nothing(start: Start) -> None:
    worker = start("a")

    assert worker.add() is True
    assert worker.table.partition(0).position == 1


def test_many_facts_come_back(start: Start) -> None:
    worker = start("a")
    worker.add(*(f"{number:05d}" for number in range(25_000)))

    assert len(start("b").known()) == 25_000


def test_a_copy_of_a_changelog_that_was_made_anew_is_not_trusted(
    start: Start, topics: Topics
) -> None:
    worker = start("a")
    worker.add("1", "2")
    topics.make_anew(worker.log.topic)

    with pytest.raises(PositionLost, match="made anew"):
        start("a")


def test_a_copy_that_a_truncated_changelog_no_longer_reaches_is_not_trusted(
    start: Start, topics: Topics
) -> None:
    worker = start("a")
    worker.add("1", "2", "3")
    topics.truncate(worker.log.topic, before=3)

    assert start("a").known() == ["1", "2", "3"]
    with pytest.raises(PositionLost, match="truncated"):
        start("b")
