"""A processor on the real Kafka: what was removed between its assignment and its first record."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_processors.engine import processing
from stream_processors.engine.changelog import PositionLost, RecordsPassedOver
from stream_processors.engine.deaths import DeathJournal
from stream_processors.engine.messages import InboundRecord
from stream_processors.engine.outbound import Outbound
from stream_processors.engine.processing import Processor
from tests.integration.kafka_topics import Topics
from tests.integration.table_worker import Worker
from tests.running_stack import RunningStack
from tests.unit.engine_fakes import Ended, ScriptedAgent


@pytest.fixture
def topics(stack: RunningStack) -> Topics:
    return Topics(stack.brokers)


@pytest.fixture
def worker(topics: Topics, tmp_path: Path) -> Iterator[Worker]:
    worker = Worker(topics, topics.make("changelog"), topics.make("source"), tmp_path)
    yield worker
    worker.close()


@pytest.fixture
def processor(
    worker: Worker, topics: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Processor]:
    """One that has its partition, and has read nothing of it yet."""

    def end_process(doing: str, error: BaseException) -> None:
        raise Ended(doing) from error

    monkeypatch.setattr(processing, "end_process", end_process)
    names = {"out": topics.make("out"), worker.log.topic: worker.log.topic}
    outbound = Outbound(topics.settings, names)
    # The changelog has begun: an empty one under a source that was processed is a lost one.
    worker.recover()
    yield Processor(ScriptedAgent(), worker.table, outbound, DeathJournal(tmp_path))
    outbound.close()


def read(worker: Worker, processor: Processor, *offsets: int) -> None:
    """Hand over what a consumer would read."""
    topic = worker.log.source_topic
    records = [InboundRecord(topic, 0, offset, b"key", b"value") for offset in offsets]
    asyncio.run(processor.process(records))


def dies(
    worker: Worker,
    processor: Processor,
    offset: int,
    of: type[Exception] = PositionLost,
) -> str:
    with pytest.raises(Ended) as ended:
        read(worker, processor, offset)
    assert isinstance(ended.value.__cause__, of)
    return str(ended.value.__cause__)


def test_what_was_removed_unread_before_the_first_record_ends_the_process(
    worker: Worker, processor: Processor, topics: Topics
) -> None:
    """As under a paused worker; its consumer then goes on at the topic's new beginning."""
    source = worker.log.source_topic
    topics.produce(source, b"processed")
    topics.commit("group." + worker.log.topic, source, 1)
    asyncio.run(processor.assigned([0]))
    topics.produce(source, b"1", b"2", b"3")
    topics.truncate(source, before=3)

    assert "was processed up to offset 1, but the topic now holds 3" in dies(worker, processor, 3)


def test_what_was_removed_of_a_partition_that_was_never_read_ends_the_process(
    worker: Worker, processor: Processor, topics: Topics
) -> None:
    source = worker.log.source_topic
    asyncio.run(processor.assigned([0]))
    topics.produce(source, b"0", b"1", b"2")
    topics.truncate(source, before=2)

    assert "was processed up to offset 0, but the topic now holds 2" in dies(worker, processor, 2)


def test_a_source_made_anew_before_the_first_record_ends_the_process(
    worker: Worker, processor: Processor, topics: Topics
) -> None:
    source = worker.log.source_topic
    asyncio.run(processor.assigned([0]))
    topics.make_anew(source)
    topics.produce(source, b"0")

    assert "deleted and made anew" in dies(worker, processor, 0)


def test_records_that_the_consumer_passed_over_end_the_process_before_they_are_committed(
    worker: Worker, processor: Processor, topics: Topics
) -> None:
    """As Faust did with what came to a partition without a commit during a rebalance."""
    asyncio.run(processor.assigned([0]))
    topics.produce(worker.log.source_topic, b"0", b"1", b"2")

    said = dies(worker, processor, 2, of=RecordsPassedOver)
    assert "at offset 2 came next, but there is one at 0 that never came" in said
    assert worker.known() == []


def test_first_records_that_follow_what_was_committed_are_processed(
    worker: Worker, processor: Processor, topics: Topics
) -> None:
    """Also where what was processed is gone, as by retention, and where Kafka left a gap."""
    source = worker.log.source_topic
    topics.produce(source, b"0", b"1")
    topics.commit("group." + worker.log.topic, source, 2)
    topics.produce_in_a_transaction(source, b"2")
    topics.produce(source, b"4")
    asyncio.run(processor.assigned([0]))
    topics.truncate(source, before=1)

    read(worker, processor, 2, 4)

    assert worker.known() == [f"{source}[0]@2", f"{source}[0]@4"]
