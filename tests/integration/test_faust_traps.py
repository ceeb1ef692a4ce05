"""Faults of Faust that stream_processors.engine works around, pinned down.

Where one of these tests fails after an upgrade, Faust has mended the fault: the workaround that the
test names can go.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition

from stream_processors.engine.application import make_application
from stream_processors.engine.progress import Progress
from tests.integration.kafka_topics import Topics
from tests.running_stack import RunningStack

APPLICATION = """
import asyncio, sys
import faust

group, servers, topic, directory = sys.argv[1:]
application = faust.App(
    group, broker=f"kafka://{servers}", datadir=directory, web_enabled=False,
    topic_allow_declare=False, topic_disable_leader=True, consumer_auto_offset_reset="earliest",
    broker_commit_interval=0.1, stream_wait_empty=False,
)

async def raises(stream):
    async for value in stream:
        print("got", value, flush=True)
        if value == b"2":
            raise ZeroDivisionError

async def is_slow(stream):
    async for events in stream.take_events(10, within=3):
        print("in hand", len(events), flush=True)
        await asyncio.sleep(60)

source = application.topic(topic, value_type=bytes, value_serializer="raw")
application.agent(source)(AGENT)
faust.Worker(application, loglevel="info", redirect_stdouts=False).execute_from_commandline()
"""


@pytest.fixture
def topics(stack: RunningStack) -> Topics:
    return Topics(stack.brokers)


@contextmanager
def _running(
    agent: str, topics: Topics, group: str, topic: str, directory: Path
) -> Iterator["subprocess.Popen[str]"]:
    """Run a small Faust worker with one of the agents above; its output is what they print."""
    program = APPLICATION.replace("AGENT", agent)
    arguments = [group, topics.brokers.addresses, topic, str(directory)]
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=directory,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _wait_for_output(process: "subprocess.Popen[str]", text: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"the worker ended without {text!r}")


def _wait_for_commit(topics: Topics, group: str, topic: str) -> int:
    deadline = time.monotonic() + 20
    while topics.committed(group, topic) < 0 and time.monotonic() < deadline:
        time.sleep(0.2)
    return topics.committed(group, topic)


@asynccontextmanager
async def _started_thread(topics: Topics, directory: Path) -> AsyncIterator[Any]:
    """Give the engine's consumer thread, with the very consumer that Faust starts."""
    application = make_application(
        application_id=topics.unique("traps"),
        brokers=topics.brokers,
        worker_name="worker-1",
        directory=directory,
        progress=Progress("test", ()),
    )
    ignored: dict[str, Any] = dict.fromkeys(("on_partitions_revoked", "on_partitions_assigned"))
    consumer = application.transport.create_consumer(callback=print, **ignored)
    thread = consumer._new_consumer_thread()
    thread._thread_loop = asyncio.get_running_loop()
    await thread.on_start()
    try:
        yield thread
    finally:
        await thread._consumer.stop()


def test_an_exception_in_an_agent_acknowledges_the_event(topics: Topics, tmp_path: Path) -> None:
    """Hence Processor ends the process on any error, before Faust sees it."""
    group, topic = topics.unique("group"), topics.make("source")
    topics.produce(topic, b"0", b"1", b"2")

    with _running("raises", topics, group, topic, tmp_path) as process:
        _wait_for_output(process, "got b'2'")
        deadline = time.monotonic() + 20
        while topics.committed(group, topic) < 3 and time.monotonic() < deadline:
            time.sleep(0.2)

    assert topics.committed(group, topic) == 3


def test_a_batch_that_is_cancelled_is_acknowledged(topics: Topics, tmp_path: Path) -> None:
    """Hence Processor carries a batch out in a task of its own, and waits for it."""
    group, topic = topics.unique("group"), topics.make("source")
    topics.produce(topic, b"0", b"1", b"2")

    with _running("is_slow", topics, group, topic, tmp_path) as process:
        _wait_for_output(process, "in hand 3")
        assert topics.committed(group, topic) < 0
        os.kill(process.pid, signal.SIGTERM)
        process.wait(30)

    assert _wait_for_commit(topics, group, topic) == 3


def test_a_fetch_waits_shortly_while_records_wait_to_be_processed_and_else_for_long(
    topics: Topics, tmp_path: Path
) -> None:
    """Hence the engine's own fetcher: Faust says 1,500 ms, which holds up busy partitions."""

    async def waits() -> tuple[int, int, int]:
        async with _started_thread(topics, tmp_path) as thread:
            fetcher = thread._consumer._fetcher
            with_none_waiting = fetcher._fetch_max_wait_ms
            fetcher._records[TopicPartition("events.session", 0)] = object()
            with_some_waiting = fetcher._fetch_max_wait_ms
            fetcher._records.clear()
            return thread._consumer._fetch_max_wait_ms, with_none_waiting, with_some_waiting

    assert asyncio.run(waits()) == (1500, 500, 20)


def test_what_was_fetched_without_a_commit_is_fetched_again_after_a_seek_to_what_is_committed(
    topics: Topics, tmp_path: Path
) -> None:
    """Hence the engine's own seek: aiokafka leaves a partition without a commit where it is.

    Faust drops what it fetches while a rebalance is under way, and relies on being given it again.
    """
    read, never_read = (TopicPartition(topics.make(name), 0) for name in ("read", "never-read"))
    for partition in (read, never_read):
        topics.produce(partition.topic, b"0", b"1", b"2")

    async def positions() -> list[tuple[int, int]]:
        async with _started_thread(topics, tmp_path) as thread:
            consumer = thread._consumer
            topics.commit(thread.consumer.app.conf.id, read.topic, 1)
            consumer.assign([read, never_read])

            async def after(seek: Any) -> tuple[int, int]:
                while [await consumer.position(each) for each in (read, never_read)] != [3, 3]:
                    await consumer.getmany(timeout_ms=1000)
                await seek()
                return await consumer.position(read), await consumer.position(never_read)

            return [await after(consumer.seek_to_committed), await after(thread._seek_to_committed)]

    assert asyncio.run(positions()) == [(1, 3), (1, 0)]
