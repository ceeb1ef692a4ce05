"""Reading topics from one position to another."""

from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from operations.output import SILENT
from operations.reconcile.positions import Offsets
from schemas.brokers import Brokers

_BATCH_RECORDS = 10_000
_ANSWER_SECONDS = 30.0


def read_to_end(brokers: Brokers, begins: Offsets, ends: Offsets) -> Iterator[Message]:
    """Yield the records from `begins` up to `ends`, which are exclusive; in order by partition."""
    left = {partition for partition, end in ends.items() if begins[partition] < end}
    if not left:
        return
    consumer = Consumer(
        {
            **brokers.client,
            # It never joins a group; a consumer must have one.
            "group.id": "outbox-rebuild-reader",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
        },
        logger=SILENT,
    )
    try:
        consumer.assign([TopicPartition(*partition, begins[partition]) for partition in left])
        while left:
            for message in _next_messages(consumer):
                at = (str(message.topic()), message.partition() or 0)
                error = message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
                    raise KafkaException(error)
                offset = message.offset() or 0
                if error is None and offset < ends[at]:
                    yield message
                # The end of the partition may be the mark of a transaction, or compacted away.
                if error is not None or offset + 1 >= ends[at]:
                    left.discard(at)
    finally:
        consumer.close()


def _next_messages(consumer: Consumer) -> list[Message]:
    first = consumer.poll(_ANSWER_SECONDS)
    if first is None:
        raise KafkaException(
            KafkaError(KafkaError._TIMED_OUT, "no record came")  # noqa: SLF001
        )
    return [first, *consumer.consume(_BATCH_RECORDS, timeout=0)]
