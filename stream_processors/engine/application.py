"""The Faust application; each departure from Faust's defaults stands here with its reason."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import faust
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP

from stream_processors.engine.credentials import faust_credentials
from stream_processors.engine.messages import InboundRecord
from stream_processors.engine.streams import BatchStream

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from schemas.brokers import Brokers
    from stream_processors.engine.lag import Partition
    from stream_processors.engine.processing import Processor
    from stream_processors.engine.progress import Progress

_BATCH_RECORDS = 500
_BATCH_SECONDS = 0.01
_FETCH_WAIT_MS = 500
_PARTIAL_FETCH_WAIT_MS = 20
_YIELD_EVERY_RECORDS = 100
_LOOK_SECONDS = 1.0


class _Fetcher(Fetcher):
    """Waits for new records as long as is good; Faust fixes that at 1,500 ms.

    While a partition's records wait to be processed, it is left out of the next fetch: what comes
    to it then waits until that fetch ends. With none waiting, a fetch is for all partitions and
    ends with the first record: so it may be long, which costs less where nothing happens.
    """

    @property
    def _fetch_max_wait_ms(self) -> int:
        return _PARTIAL_FETCH_WAIT_MS if self._records else _FETCH_WAIT_MS


class _Coordinator(GroupCoordinator):
    """Tells of each heartbeat that Kafka has answered; aiokafka only logs those it has not."""

    progress: Progress

    async def _do_heartbeat(self) -> bool:
        answered: bool = await super()._do_heartbeat()
        if answered:
            self.progress.heard()
        return answered


class _ConsumerThread(AIOKafkaConsumerThread):
    async def on_start(self) -> None:
        await super().on_start()
        # aiokafka has no place to say which of these to make; ours differ in one method each.
        consumer = self._ensure_consumer()
        consumer._fetcher.__class__ = _Fetcher  # noqa: SLF001
        consumer._coordinator.__class__ = _Coordinator  # noqa: SLF001
        consumer._coordinator.progress = self.transport.progress  # noqa: SLF001

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Go back to what is committed, and to the beginning where nothing is.

        Faust drops what it fetched while a rebalance was under way, and calls this to be given it
        again. aiokafka leaves a partition without a commit where it is: behind what was dropped.
        """
        committed: Mapping[TP, int] = await self.call_thread(self._seek_to_committed)
        return committed

    def fetched(self) -> dict[Partition, tuple[int, int]]:
        """Return where each assigned partition is read next, and where it ends.

        Both as the last fetch told: nobody is asked. What was not fetched yet is left out.
        """
        subscription = self._ensure_consumer()._subscription.subscription  # noqa: SLF001 - as above
        if subscription is None or subscription.assignment is None:
            return {}
        assignment, fetched = subscription.assignment, {}
        for partition in assignment.tps:
            state = assignment.state_value(partition)
            # Its thread may take the position away meanwhile.
            position, end = state._position, state.highwater  # noqa: SLF001 - not its check of that
            if position is not None and end is not None:
                fetched[partition.topic, partition.partition] = (position, end)
        return fetched

    async def _seek_to_committed(self) -> Mapping[Any, int]:
        consumer = self._ensure_consumer()
        committed: Mapping[Any, int] = await consumer.seek_to_committed()
        never_read = {partition for partition, offset in committed.items() if not offset}
        if still_assigned := never_read & consumer.assignment():
            await consumer.seek_to_beginning(*still_assigned)
        return committed


class _Consumer(Consumer):
    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def look(self, progress: Progress) -> None:
        """Tell where the partitions end, and from where on they are read."""
        progress.turned(
            {
                # Where nothing is committed it is read from its beginning.
                partition: (self._committed_offset.get(TP(*partition)) or position, end)
                for partition, (position, end) in self._thread.fetched().items()
            }
        )

    async def _commit_offsets(
        self,
        offsets: Mapping[TP, int],
        start_new_transaction: bool = True,
    ) -> bool:
        done: bool = await super()._commit_offsets(offsets, start_new_transaction)
        if done:
            self.transport.progress.committed()
        return done

    async def _drain_messages(self, fetcher: Any) -> None:
        """Hand every message to its agent, without Faust's two tasks a message.

        Faust races each hand-over against a suspension of the flow, which costs a fifth of a
        worker's time; `getmany` already ends when the flow is suspended. So a hand-over may wait
        through a rebalance here. The position is therefore noted before it: noted after it, it
        would overwrite the one that the rebalance has set back, and skip what lies between.
        """
        callback = self.callback
        handed_over = 0
        while not (self.should_stop or fetcher.should_stop):
            await asyncio.sleep(0)
            async for partition, message in self.getmany(timeout=1.0):
                last = self._read_offset[partition]
                if last is not None and message.offset < last:
                    continue
                self._read_offset[partition] = message.offset
                if last is not None and message.offset > last + 1:
                    # Commits stop at a gap that is not known; transaction markers make some.
                    # Without the message, as Faust has it: one that is in the gap and acknowledged,
                    # too, ends a commit there.
                    await self._add_gap(partition, last + 1, message.offset - 1)
                await callback(message)
                handed_over += 1
                if handed_over % _YIELD_EVERY_RECORDS == 0:
                    await asyncio.sleep(0)


class _Transport(Transport):
    Consumer = _Consumer
    progress: Progress


def make_application(
    *,
    application_id: str,
    brokers: Brokers,
    worker_name: str,
    directory: Path,
    progress: Progress,
) -> faust.App:
    """Return a Faust application that reads topics of raw bytes, at least once.

    `progress` is told of commits, and each second how far the partitions reach.
    """
    application = faust.App(
        application_id,
        broker=f"kafka://{brokers.addresses.replace(',', ';')}",
        broker_credentials=faust_credentials(brokers.security),
        datadir=str(directory / "faust"),
        # exactly_once lets outputs leave outside its transaction; ours are idempotent instead.
        processing_guarantee="at_least_once",
        # A killed worker that comes back keeps its partitions, without a rebalance.
        consumer_group_instance_id=worker_name,
        broker_session_timeout=6.0,
        broker_heartbeat_interval=1.0,
        broker_commit_interval=0.3,
        broker_max_poll_records=2000,
        consumer_auto_offset_reset="earliest",
        stream_buffer_maxsize=4096,
        stream_recovery_delay=0.0,
        # Topics are made from the catalogue in schemas/topics.py, with their policies.
        topic_allow_declare=False,
        Stream=BatchStream,
        topic_disable_leader=True,
        web_enabled=False,
    )
    application.transport = _Transport(application.conf.broker, application)
    application.transport.progress = progress
    _look_each_second(application, progress)
    return application


def _look_each_second(application: faust.App, progress: Progress) -> None:
    @application.task
    async def look() -> None:
        while True:
            application.consumer.look(progress)
            await asyncio.sleep(_LOOK_SECONDS)


def add_agent(
    application: faust.App,
    topic_name: str,
    processor: Processor,
    progress: Progress,
) -> None:
    """Read a topic with a processor; `progress` is told of each finished batch."""
    # Raw bytes: what Faust's own decoding rejects is acknowledged before our code sees it.
    topic = application.topic(
        topic_name,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        allow_empty=True,
    )

    async def agent(stream: Any) -> None:
        async with aclosing(stream.batches(_BATCH_RECORDS, _BATCH_SECONDS)) as batches:
            async for events in batches:
                records = [_inbound(event.message) for event in events]
                await processor.process(records)
                progress.finished(records)

    # Concurrency 1: with more, Faust commits past events still in flight.
    application.agent(topic, name=topic_name, concurrency=1)(agent)

    @application.on_partitions_revoked.connect
    async def revoked(_: Any, revoked: Any, **__: Any) -> None:
        del revoked
        processor.revoked()

    @application.on_partitions_assigned.connect
    async def assigned(_: Any, assigned: Any, **__: Any) -> None:
        await processor.assigned(
            partition.partition for partition in assigned if partition.topic == topic_name
        )


def _inbound(message: Any) -> InboundRecord:
    return InboundRecord(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=dict(message.headers or ()),
    )
