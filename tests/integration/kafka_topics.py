"""Topics of a test's own on the real Kafka, and what can happen to them."""

import itertools
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from schemas.brokers import Brokers

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Topics:
    """Makes topics, and reads, truncates and replaces them."""

    brokers: Brokers

    @property
    def settings(self) -> dict[str, str | int]:
        return dict(self.brokers.client)

    def unique(self, name: str) -> str:
        """Return a name that no other test uses."""
        return f"test.{os.getpid()}.{next(_numbers)}.{name}"

    def make(self, name: str, partitions: int = 1, **config: str) -> str:
        """Make a topic of a unique name; config keys with _ for the dot."""
        topic = self.unique(name)
        self._create(topic, partitions, config)
        return topic

    def make_anew(self, topic: str, partitions: int = 1) -> None:
        """Delete a topic and make it again, empty."""
        self.delete(topic)
        self._create(topic, partitions, {})

    def delete(self, topic: str) -> None:
        """Delete a topic, and return once it is gone."""
        # Named: a client that is dropped takes its unanswered requests with it.
        admin = self._admin()
        [deletion] = admin.delete_topics([topic]).values()
        deletion.result(20)
        deadline = time.monotonic() + 20
        while topic in admin.list_topics(timeout=10).topics:
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def produce(self, topic: str, *values: bytes, partition: int = 0, key: bytes = b"key") -> None:
        producer = Producer(self.settings)
        for value in values:
            producer.produce(topic, value, key, partition=partition)
        assert producer.flush(20) == 0

    def produce_in_a_transaction(self, topic: str, *values: bytes) -> None:
        producer = Producer({**self.settings, "transactional.id": self.unique("producer")})
        producer.init_transactions(20)
        end = self.end(topic) + len(values) + 1
        producer.begin_transaction()
        for value in values:
            producer.produce(topic, value, b"key", partition=0)
        producer.commit_transaction(20)
        # The marker follows the commit: what is produced next might lie before it.
        deadline = time.monotonic() + 20
        while self.end(topic) < end:
            assert time.monotonic() < deadline, "no marker was written"
            time.sleep(0.01)

    def truncate(self, topic: str, before: int, partition: int = 0) -> None:
        """Delete all records before an offset, as Kafka's DeleteRecords does."""
        admin = self._admin()
        [truncation] = admin.delete_records([TopicPartition(topic, partition, before)]).values()
        truncation.result(20)

    def commit(self, group: str, topic: str, offset: int, partition: int = 0) -> None:
        """Commit an offset as a consumer group does that processed everything before it."""
        consumer = Consumer({**self.settings, "group.id": group, "enable.auto.commit": False})
        try:
            consumer.commit(offsets=[TopicPartition(topic, partition, offset)], asynchronous=False)
        finally:
            consumer.close()

    def committed(self, group: str, topic: str, partition: int = 0) -> int:
        consumer = Consumer({**self.settings, "group.id": group, "enable.auto.commit": False})
        try:
            [found] = consumer.committed([TopicPartition(topic, partition)], timeout=20)
            offset: int = found.offset
            return offset
        finally:
            consumer.close()

    def end(self, topic: str, partition: int = 0) -> int:
        """Return the offset after the last one, markers included."""
        consumer = Consumer({**self.settings, "group.id": "watcher"})
        try:
            _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=20)
        finally:
            consumer.close()
        return int(end)

    def read(self, topic: str, count: int, partitions: Sequence[int] = (0,)) -> list[Message]:
        """Return the first records of some partitions."""
        consumer = Consumer({**self.settings, "group.id": "reader", "enable.auto.commit": False})
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        try:
            messages: list[Message] = consumer.consume(count, timeout=20)
        finally:
            consumer.close()
        assert len(messages) == count
        return messages

    def _create(self, topic: str, partitions: int, config: dict[str, str]) -> None:
        settings = {name.replace("_", "."): value for name, value in config.items()}
        new = NewTopic(topic, partitions, 1, config=settings)
        admin = self._admin()
        [creation] = admin.create_topics([new], operation_timeout=20).values()
        creation.result(20)
        # A broker tells of it a moment later.
        deadline = time.monotonic() + 20
        while topic not in admin.list_topics(timeout=10).topics:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def _admin(self) -> AdminClient:
        return AdminClient(self.settings)
