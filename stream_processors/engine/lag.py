"""How many records wait to be read, and since when none of them was: pure but for the clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeAlias

from stream_processors.engine.metrics import gauge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prometheus_client.metrics_core import Metric

Partition: TypeAlias = tuple[str, int]
"""A topic and the number of one of its partitions."""

STALLED_SECONDS = 10.0
"""What waits for longer, while nothing is finished, stands still; a batch takes far less."""


class Queue:
    """What one reader has before it. Idle it never stands still, however long nothing comes.

    It is asked from several threads, and told by one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting_since: float | None = None

    def finished(self) -> None:
        """Note that records were finished just now."""
        self._waiting_since = None

    def look(self, lag_records: int) -> None:
        """Note how many wait; to be told every second or so."""
        if lag_records == 0:
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = self._clock()

    @property
    def stalled_seconds(self) -> float:
        """For how long records have waited and none was finished; 0 while that is not long."""
        since = self._waiting_since
        waited_seconds = 0.0 if since is None else self._clock() - since
        return waited_seconds if waited_seconds >= STALLED_SECONDS else 0.0


def stalled(reader: str, lag_records: int, seconds: float) -> str:
    """Say that a reader stands still."""
    return (
        f"{reader} has {lag_records} records to read and has finished none for {seconds:.0f} s: "
        "`outbox doctor`"
    )


def lag_gauge(lags: Mapping[str, Mapping[Partition, int]]) -> Metric:
    """Return the lags as Prometheus reads them, by consumer group."""
    return gauge(
        "outbox_consumer_lag_records",
        "Records of a partition that its group has yet to finish, by what was fetched last.",
        ("group", "topic", "partition"),
        {
            (group, topic, str(partition)): lag_records
            for group, of_group in lags.items()
            for (topic, partition), lag_records in of_group.items()
        },
    )
