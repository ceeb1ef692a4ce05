"""The engine's own way of reading a stream in batches, in place of Faust's `take_events`."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from schemas.brokers import Brokers
from stream_processors.engine import batching
from stream_processors.engine.application import make_application
from stream_processors.engine.progress import Progress

TOPIC = "source"


class Source:
    """A stream whose events are put into its queue by hand, in place of a consumer."""

    def __init__(self, directory: Path) -> None:
        self.application = make_application(
            application_id="test",
            brokers=Brokers("127.0.0.1:1"),
            worker_name="worker",
            directory=directory,
            progress=Progress("test", ()),
        )
        self.application.flow_control.resume()
        self.application.topics._acking_topics.add(TOPIC)
        self.stream: Any = self.application.topic(TOPIC).stream()

    def put(self, *offsets: int, generation: int = 0) -> list[Any]:
        messages = [self._message(offset, generation) for offset in offsets]
        for message in messages:
            event = self.application.create_event(b"", b"", {}, message)
            self.stream.channel.queue.put_nowait(event)
        return messages

    def _message(self, offset: int, generation: int) -> Any:
        message = ConsumerMessage(
            TOPIC, 0, offset, 0.0, 0, {}, b"", b"", None, tp=TP(TOPIC, 0), generation_id=generation
        )
        message.incref()
        return message

    def batches(self, events_max: int = 10, every_seconds: float = 0.0) -> AsyncIterator[list[int]]:
        return self.offsets(self.stream.batches(events_max, every_seconds))

    @staticmethod
    async def offsets(batches: Any) -> AsyncIterator[list[int]]:
        async with aclosing(batches):
            async for batch in batches:
                yield [event.message.offset for event in batch]


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 10))


def test_what_has_come_is_one_batch_and_no_more_than_was_asked_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        source = Source(tmp_path)
        source.put(*range(5))
        batches = source.batches(events_max=3)

        assert await anext(batches) == [0, 1, 2]
        assert await anext(batches) == [3, 4]

    run(scenario())


def test_an_event_is_acknowledged_when_its_batch_is_over_and_not_before(tmp_path: Path) -> None:
    async def scenario() -> None:
        source = Source(tmp_path)
        messages = source.put(0, 1)
        batches = source.batches()
        await anext(batches)
        unacked = source.application.consumer.unacked

        assert [message.acked for message in messages] == [False, False]
        assert set(unacked) == set(messages), "a rebalance must wait for them"

        source.put(2)
        await anext(batches)
        assert [message.acked for message in messages] == [True, True]
        assert unacked.isdisjoint(messages)

    run(scenario())


def test_an_event_of_before_a_rebalance_is_left_out_and_not_acknowledged(tmp_path: Path) -> None:
    async def scenario() -> None:
        source = Source(tmp_path)
        [old] = source.put(0, generation=-1)
        source.put(1)

        assert await anext(source.batches()) == [1]
        assert not old.acked

    run(scenario())


def test_batches_begin_at_intervals_and_a_lone_event_does_not_wait(tmp_path: Path) -> None:
    async def scenario() -> None:
        source = Source(tmp_path)
        batches = source.batches(every_seconds=0.6)
        source.put(0)
        begun_at = time.monotonic()
        assert await anext(batches) == [0]
        assert time.monotonic() - begun_at < 0.3

        source.put(1)
        asyncio.get_running_loop().call_later(0.05, source.put, 2)
        assert await anext(batches) == [1, 2]
        assert time.monotonic() - begun_at >= 0.6

    run(scenario())


def test_after_a_large_batch_the_next_one_waits_for_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than a busy machine lets a test wait for nothing; test_batching has the real ones.
    monkeypatch.setattr(batching, "_SECONDS_A_RECORD", 0.02)
    monkeypatch.setattr(batching, "_SECONDS_MAX", 0.5)

    async def scenario() -> None:
        source = Source(tmp_path)
        batches = source.batches(events_max=30)
        source.put(*range(30))
        begun_at = time.monotonic()
        await anext(batches)
        source.put(30)
        asyncio.get_running_loop().call_later(0.01, source.put, 31)

        assert await anext(batches) == [30, 31]
        assert time.monotonic() - begun_at >= 0.5

    run(scenario())


def test_whoever_is_cancelled_while_it_waits_has_taken_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        source = Source(tmp_path)
        batches = source.batches(every_seconds=0.2)
        source.put(0)
        await anext(batches)
        waiting = asyncio.ensure_future(anext(batches))
        await asyncio.sleep(0.05)
        source.put(1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

        assert source.stream.channel.queue.qsize() == 1

    run(scenario())


def test_whoever_waits_is_told_of_the_end_of_the_stream(tmp_path: Path) -> None:
    async def scenario() -> None:
        source = Source(tmp_path)
        batches = source.batches()
        source.put(0)
        await anext(batches)
        waiting = asyncio.ensure_future(anext(batches, []))
        await asyncio.sleep(0.05)
        # As Faust's App does when it stops: an agent that raised would be started again then.
        await source.stream.throw(StopAsyncIteration())

        assert await waiting == []

    run(scenario())
