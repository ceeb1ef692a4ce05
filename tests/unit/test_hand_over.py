"""The engine's own way of handing messages to agents, in place of Faust's."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from schemas.brokers import Brokers
from stream_processors.engine.application import make_application
from stream_processors.engine.progress import Progress

PARTITION = TP("events.session", 0)


class Handing:
    """A consumer whose fetches are scripted; the first message waits until `gate` is set."""

    def __init__(self, directory: Path, *fetches: list[int]) -> None:
        application = make_application(
            application_id="test",
            brokers=Brokers("127.0.0.1:1"),
            worker_name="worker",
            directory=directory,
            progress=Progress("test", ()),
        )
        self.consumer: Any = application.transport.create_consumer(
            callback=self._hand_over, on_partitions_revoked=None, on_partitions_assigned=None
        )
        self.consumer.getmany = self._fetch
        self.fetcher = SimpleNamespace(should_stop=False)
        self.gate = asyncio.Event()
        self.handed: list[int] = []
        self._fetches = list(fetches)

    async def _fetch(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109
        del timeout
        if not self._fetches:
            self.fetcher.should_stop = True
            return
        for offset in self._fetches.pop(0):
            yield PARTITION, SimpleNamespace(offset=offset, topic=PARTITION.topic)

    async def _hand_over(self, message: Any) -> None:
        if not self.handed:
            await self.gate.wait()
        self.handed.append(message.offset)


def test_a_hand_over_that_waits_through_a_rebalance_skips_nothing_after_it(tmp_path: Path) -> None:
    async def scenario() -> list[int]:
        handing = Handing(tmp_path, [150], list(range(100, 155)))
        handing.consumer._read_offset[PARTITION] = 149
        draining = asyncio.ensure_future(handing.consumer._drain_messages(handing.fetcher))
        await asyncio.sleep(0.01)
        # The rebalance sets the position back to what is committed, then the flow resumes.
        handing.consumer._read_offset[PARTITION] = 100
        handing.gate.set()
        await draining
        return handing.handed

    assert asyncio.run(scenario()) == [150, *range(100, 155)]


def test_what_was_handed_over_already_is_not_again(tmp_path: Path) -> None:
    async def scenario() -> list[int]:
        handing = Handing(tmp_path, [7, 8, 9], [8, 9, 10])
        handing.gate.set()
        await handing.consumer._drain_messages(handing.fetcher)
        return handing.handed

    assert asyncio.run(scenario()) == [7, 8, 9, 9, 10]


def test_what_lies_between_gaps_is_committed_at_once(tmp_path: Path) -> None:
    """As between the markers of transactions: with Faust's gaps, a commit got over one of them."""

    async def scenario() -> int:
        handing = Handing(tmp_path, [1, 3, 6, 7])
        handing.gate.set()
        await handing.consumer._drain_messages(handing.fetcher)
        handing.consumer._committed_offset[PARTITION] = 1
        handing.consumer._acked[PARTITION].extend(handing.handed)
        offset: int = handing.consumer._new_offset(PARTITION)
        return offset

    assert asyncio.run(scenario()) == 8
