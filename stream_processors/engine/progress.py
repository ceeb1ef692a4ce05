"""How far a worker has come, as its pages tell it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from stream_processors.engine.lag import STALLED_SECONDS, Queue, lag_gauge, stalled
from stream_processors.engine.metrics import gauge, known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from prometheus_client.metrics_core import Metric

    from stream_processors.engine.lag import Partition
    from stream_processors.engine.messages import InboundRecord

_LOOP_SECONDS_MAX = 60.0
"""An event loop that has not turned for so long will not turn again."""


class Progress:
    """Told by the worker's event loop alone, and asked from the threads that answer.

    Faust is not asked from another thread: its properties make what is not there yet.
    """

    def __init__(
        self, group: str, topics: Sequence[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._group = group
        self._topics = topics
        self._clock = clock
        self._assignment: tuple[Partition, ...] | None = None
        self._queues = {topic: Queue(clock) for topic in topics}
        # By partition: the offset after the last finished record, and where the partition ended.
        self._next: dict[Partition, int] = {}
        self._lags: dict[Partition, int] = {}
        self._records = 0
        self._finished_at = clock()
        self._uncommitted_since: float | None = None
        self._committed_at: float | None = None
        self._turned_at: float | None = None
        self._heard_at = clock()

    def heard(self) -> None:
        """Note that Kafka has answered a heartbeat, as it does every second; from any thread."""
        self._heard_at = self._clock()

    def revoked(self) -> None:
        """Note that a rebalance has begun: nothing is read until it ends."""
        self._assignment = None
        self._next, self._lags = {}, {}
        self._uncommitted_since = None
        for queue in self._queues.values():
            queue.finished()

    def assigned(self, partitions: Iterable[Partition]) -> None:
        """Note which partitions are read from now on; their state is whole."""
        self._assignment = tuple(sorted(partitions))
        self.heard()

    def finished(self, records: Sequence[InboundRecord]) -> None:
        """Note a batch whose effects are all in Kafka."""
        for record in records:
            self._next[record.topic, record.partition] = record.offset + 1
        self._records += len(records)
        self._finished_at = now = self._clock()
        self._queues[records[0].topic].finished()
        if self._uncommitted_since is None:
            self._uncommitted_since = now

    def committed(self) -> None:
        """Note that Kafka has taken a commit."""
        self._uncommitted_since = None
        self._committed_at = time.time()

    def turned(self, reach: Mapping[Partition, tuple[int, int]]) -> None:
        """Note a turn of the event loop, once a second.

        reach: of each partition, from where on it is read if nothing was finished since the
        assignment, and where it ends.
        """
        self._turned_at = self._clock()
        self._lags = {
            partition: max(0, end - max(begin, self._next.get(partition, 0)))
            for partition, (begin, end) in reach.items()
            if partition in (self._assignment or ())
        }
        for topic, queue in self._queues.items():
            queue.look(self._lag(topic))

    def health(self) -> dict[str, object]:
        """Return what /health tells; ready with an assignment, unless something stands still."""
        assignment, now = self._assignment, self._clock()
        faults = self._faults(now)
        return {
            "ready": assignment is not None and not faults,
            "live": self._turned_at is None or now - self._turned_at < _LOOP_SECONDS_MAX,
            "faults": faults,
            "rebalancing": assignment is None,
            "assignment": None if assignment is None else [f"{t}[{p}]" for t, p in assignment],
            "records": self._records,
            "last_batch_seconds_ago": round(now - self._finished_at, 3),
            "last_commit_seconds_ago": (
                None if self._committed_at is None else round(time.time() - self._committed_at, 3)
            ),
            "lag_records": {topic: self._lag(topic) for topic in self._topics},
        }

    def gauges(self) -> list[Metric]:
        """Return what /metrics tells beside the counters."""
        assignment = self._assignment or ()
        return [
            gauge(
                "outbox_assigned_partitions",
                "Partitions that this worker reads; none while the group rebalances.",
                ("topic",),
                {(topic,): sum(each == topic for each, _ in assignment) for topic in self._topics},
            ),
            gauge(
                "outbox_rebalancing",
                "Whether the worker waits for partitions, or for their state to be whole.",
                (),
                {(): float(self._assignment is None)},
            ),
            gauge(
                "outbox_last_commit_timestamp_seconds",
                "When Kafka last took a commit of this worker; idle it commits nothing.",
                (),
                known(self._committed_at),
            ),
            lag_gauge({self._group: self._lags}),
        ]

    def _lag(self, topic: str) -> int:
        return sum(lag for (of_topic, _), lag in self._lags.items() if of_topic == topic)

    def _faults(self, now: float) -> dict[str, str]:
        faults = {
            topic: stalled(topic, self._lag(topic), queue.stalled_seconds)
            for topic, queue in self._queues.items()
            if queue.stalled_seconds
        }
        since = self._uncommitted_since
        if since is not None and now - since >= STALLED_SECONDS:
            faults["commit"] = (
                f"nothing was committed for {now - since:.0f} s, although batches were finished: "
                "`outbox doctor`"
            )
        silent_seconds = now - self._heard_at
        if self._assignment is not None and silent_seconds >= STALLED_SECONDS:
            # Idle it has nothing else to do with Kafka, and nothing would tell.
            faults["kafka"] = f"Kafka has not answered for {silent_seconds:.0f} s: `outbox status`"
        return faults
