"""A topic loop of the ledger writer as tests run one: in this process, with what it was given."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from stream_processors.engine.messages import InboundRecord
from stream_processors.ledger.consuming import TopicLoop
from tests.integration.kafka_topics import Topics
from tests.waiting import wait_until

CarryOut = Callable[[Sequence[InboundRecord]], None]
Start = Callable[..., "Reader"]


class Reader:
    """A topic loop, and what it was given."""

    def __init__(  # noqa: PLR0913 - a loop has as many parts
        self,
        topics: Topics,
        group: str,
        topic: str,
        member: str,
        then: CarryOut,
        every_seconds: float,
        *,
        from_now_on: bool,
    ) -> None:
        self.stopping = threading.Event()
        self.faults: list[BaseException] = []
        self.given: list[bytes | None] = []
        self._then = then
        self.loop = TopicLoop(
            group=group,
            topics=[topic],
            member=member,
            kafka=topics.settings,
            carry_out=self._carry_out,
            every_seconds=every_seconds,
            stopping=self.stopping,
            on_fault=lambda _, fault: self.faults.append(fault),
            from_now_on=from_now_on,
        )
        self.loop.start()

    def stop(self) -> None:
        self.stopping.set()
        self.loop.join(20)
        assert not self.loop.is_alive()
        if self.faults:
            # In a process of its own it would be gone; here its consumer outlives Kafka otherwise.
            self.loop._consumer.close()

    def wait_for(self, count: int) -> None:
        soon(lambda: len(self.given) >= count or bool(self.faults))
        assert self.faults == []

    def _carry_out(self, records: Sequence[InboundRecord]) -> None:
        self._then(records)
        self.given.extend(record.value for record in records)


@contextmanager
def readers(topics: Topics, group: str, topic: str) -> Iterator[Start]:
    """Yield what starts members of a group; the last to come is the first to go."""
    running: list[Reader] = []

    def start(
        then: CarryOut = lambda _: None,
        member: str = "member-1",
        every_seconds: float = 0.0,
        *,
        from_now_on: bool = False,
    ) -> Reader:
        reader = Reader(topics, group, topic, member, then, every_seconds, from_now_on=from_now_on)
        running.append(reader)
        return running[-1]

    try:
        yield start
    finally:
        for reader in reversed(running):
            reader.stop()


def soon(done: Callable[[], bool]) -> None:
    """Wait until something is so; fail where it is not within 20 s."""
    wait_until("what a reader was to do", done, bool, seconds=20)
