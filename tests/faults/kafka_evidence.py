"""What lies in the events topics, read while the run goes on: a truncation takes nothing back."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from tests.faults.evidence import digest_of_text

if TYPE_CHECKING:
    from confluent_kafka import Message

    from tests.faults.evidence import Evidence

TOPICS = ("events.session", "events.contract", "events.user")
GROUP = "faults-evidence"
_BATCH = 1_000
_REQUEST_SECONDS = 10.0
_SILENCE_SECONDS = 5.0


class KafkaReader(threading.Thread):
    """Reads every record of the events topics into the evidence, from their beginning on."""

    def __init__(self, bootstrap_servers: str, evidence: Evidence) -> None:
        super().__init__(name="kafka-evidence", daemon=True)
        self._bootstrap_servers = bootstrap_servers
        self._evidence = evidence
        self._stopping = threading.Event()
        self._consumer = self._new_consumer()
        metadata = self._consumer.list_topics(timeout=_REQUEST_SECONDS)
        self._partitions = [
            TopicPartition(topic, partition, OFFSET_BEGINNING)
            for topic in TOPICS
            for partition in metadata.topics[topic].partitions
        ]
        self._consumer.assign(self._partitions)

    def run(self) -> None:
        """Read until told to stop."""
        heard_at = time.monotonic()
        while not self._stopping.is_set():
            messages = self._consumer.consume(_BATCH, 0.5)
            if messages:
                self._take(messages)
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at >= _SILENCE_SECONDS:
                # librdkafka can forget the only broker for good while that is fenced.
                self._consumer.close()
                self._consumer = self._new_consumer()
                self._consumer.assign(self._partitions)
                heard_at = time.monotonic()
        self._consumer.close()

    def finish(self, seconds: float) -> None:
        """Return once everything that Kafka holds now is in the evidence, and stop."""
        deadline = time.monotonic() + seconds
        wanted = self._ends(deadline)
        while any(
            self._position(topic, partition) < end for (topic, partition), end in wanted.items()
        ):
            assert self.is_alive(), "what reads Kafka has ended: see its error"
            assert time.monotonic() < deadline, f"Kafka could not be read within {seconds:.0f} s"
            time.sleep(0.2)
        self._stopping.set()
        self.join()

    def _new_consumer(self) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self._bootstrap_servers,
                "group.id": GROUP,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 100,
                # It shall be there again soon after Kafka is.
                "reconnect.backoff.max.ms": 1_000,
                "log_level": 0,
            }
        )

    def _ends(self, deadline: float) -> dict[tuple[str, int], int]:
        """Return where each partition that holds a record ends.

        A client of its own asks: this one's may still believe in a broker that is gone.
        """
        while True:
            asking = Consumer({"bootstrap.servers": self._bootstrap_servers, "group.id": GROUP})
            try:
                marks = {
                    (each.topic, each.partition): asking.get_watermark_offsets(
                        each, timeout=_REQUEST_SECONDS
                    )
                    for each in self._partitions
                }
                return {place: end for place, (begin, end) in marks.items() if begin < end}
            except KafkaException:
                assert time.monotonic() < deadline, "Kafka did not say where its topics end"
                time.sleep(0.5)
            finally:
                asking.close()

    def _position(self, topic: str, partition: int) -> int:
        last = self._evidence.one(
            "SELECT max(position) FROM deliveries WHERE topic = ? AND partition = ?",
            topic,
            partition,
        )
        return 0 if last is None else int(last) + 1

    def _take(self, messages: list[Message]) -> None:
        read = [message for message in messages if message.error() is None]
        if read:
            read_at = time.monotonic()
            rows = [(*_row(message), read_at) for message in read]
            self._evidence.insert("deliveries", rows, or_do="IGNORE")
        after = {(message.topic(), message.partition()): message.offset() + 1 for message in read}
        for each in self._partitions:
            each.offset = after.get((each.topic, each.partition), each.offset)


def _row(message: Message) -> tuple[Any, ...]:
    try:
        headers = dict(message.headers() or ())
    except (SystemError, UnicodeDecodeError):
        headers = {}  # a header whose name is not text: a poison record's
    key = message.key()
    return (
        message.topic(),
        message.partition(),
        message.offset(),
        _text(headers.get("id")),
        None if key is None else _text(key),
        _text(headers.get("eventType")),
        digest_of_text(message.value() or b""),
        "replayed" in headers,
    )


def _text(content: bytes | str | None) -> str:
    if isinstance(content, str):
        return content
    return (content or b"").decode(errors="replace")
