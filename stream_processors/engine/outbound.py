"""How records leave: through librdkafka, and an event is finished only when all of them arrived.

Faust's own producer is not used: it acknowledges events whose output it has not delivered,
and only logs a failed send (both pinned down in tests/integration/test_faust_traps.py).
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from stream_processors.engine.crash import end_process, error_in_hand
from stream_processors.engine.logs import KAFKA_LOG

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream_processors.engine.messages import OutboundRecord

_POLL_SECONDS = 0.1

# Faults of one record, not of the broker: the same bytes would be refused again.
_FAULTS_OF_THE_RECORD = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_RECORD,
    }
)


class DeliveryError(Exception):
    """Kafka did not take a record. `index` is its place in the batch.

    `record_at_fault` tells a record that will never be taken from a broker that can't be reached.
    """

    def __init__(self, index: int, record: OutboundRecord, error: KafkaError) -> None:
        super().__init__(
            f"a record for {record.topic} of {len(record.value)} bytes with key {record.key!r} "
            f"was not delivered: {error.str()}"
        )
        self.index = index
        self.record_at_fault = error.code() in _FAULTS_OF_THE_RECORD


class Outbound:
    """A producer whose `deliver` returns when the brokers have every record of a batch.

    `names`: what the topics are really called, by the names that records bear; a record for any
    other topic is refused. Without it they are called so.
    """

    def __init__(
        self, kafka: Mapping[str, str | int], names: Mapping[str, str] | None = None
    ) -> None:
        self._names = names
        self._producer = Producer(
            {
                # Then the process ends and starts anew: librdkafka can forget every broker for good
                # (its issue 5301), and a new process finds them.
                "message.timeout.ms": 30_000,
                **kafka,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 1,
                "compression.type": "lz4",
                # Connect's and Faust's producers hash so; librdkafka's default does not.
                "partitioner": "murmur2_random",
                "message.max.bytes": 2_097_152,
                "queue.buffering.max.messages": 200_000,
            },
            logger=KAFKA_LOG,
        )
        self._stopping = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="outbound-poll", daemon=True)
        self._poller.start()

    async def deliver(self, records: Sequence[OutboundRecord]) -> list[int]:
        """Send records and return their offsets, in order, once all are acknowledged.

        Raises DeliveryError for the first record that was not delivered.
        """
        if not records:
            return []
        batch = _Batch(records, asyncio.get_running_loop())
        for index, record in enumerate(records):
            await self._produce(batch, index, record)
        return await batch.delivered

    def close(self, timeout_seconds: float = 10.0) -> None:
        """Send what is queued and stop polling."""
        self._producer.flush(timeout_seconds)
        self._stopping.set()
        self._poller.join(timeout_seconds)

    async def _produce(self, batch: _Batch, index: int, record: OutboundRecord) -> None:
        arguments = {} if record.partition is None else {"partition": record.partition}
        topic = record.topic if self._names is None else self._names[record.topic]
        while True:
            try:
                self._producer.produce(
                    topic,
                    record.value,
                    record.key,
                    on_delivery=batch.on_delivery(index),
                    headers=list(record.headers),
                    **arguments,
                )
            except BufferError:
                # The local queue is full: the poll thread is emptying it.
                await asyncio.sleep(0.01)
            except KafkaException as error:
                batch.fail(DeliveryError(index, record, error.args[0]))
                return
            else:
                return

    def _poll(self) -> None:
        try:
            while not self._stopping.is_set():
                self._producer.poll(_POLL_SECONDS)
        except:  # noqa: E722 - a KafkaError too: without this thread no delivery is ever heard of
            end_process("hearing of deliveries", error_in_hand())


class _Batch:
    """Counts the deliveries of one batch and completes its future from the poll thread."""

    def __init__(
        self,
        records: Sequence[OutboundRecord],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.delivered: asyncio.Future[list[int]] = loop.create_future()
        self._records = records
        self._loop = loop
        self._offsets = [-1] * len(records)
        self._missing = len(records)

    def on_delivery(self, index: int) -> _OnDelivery:
        return _OnDelivery(self, index)

    def arrived(self, index: int, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failure = DeliveryError(index, self._records[index], error)
            self._loop.call_soon_threadsafe(self.fail, failure)
            return
        self._offsets[index] = message.offset() or 0
        self._missing -= 1
        if self._missing == 0:
            self._loop.call_soon_threadsafe(self._succeed)

    def fail(self, failure: DeliveryError) -> None:
        if not self.delivered.done():
            self.delivered.set_exception(failure)

    def _succeed(self) -> None:
        if not self.delivered.done():
            self.delivered.set_result(self._offsets)


class _OnDelivery:
    """A delivery report's callback; lighter than a closure for each record."""

    __slots__ = ("_batch", "_index")

    def __init__(self, batch: _Batch, index: int) -> None:
        self._batch = batch
        self._index = index

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        self._batch.arrived(self._index, error, message)
