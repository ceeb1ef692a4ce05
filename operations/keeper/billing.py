"""Whether records wait in Kafka: a consumer group of ours is behind where its topics ended.

Compared with where they ended at earlier looks: under steady load a group is always a little behind
the present end, and nobody is late. The groups commit twice a second and more often (see the
settings in stream_processors/engine/application.py and ledger/consuming.py).
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from operations.keeper.watch import BACKLOG_SECONDS, Faults
from operations.reconcile.positions import Offsets, Positions
from stream_processors.groups import LEDGER_WRITER_READS, PROCESSORS_GROUP, PROCESSORS_READ

READS = {PROCESSORS_GROUP: PROCESSORS_READ, **LEDGER_WRITER_READS}
_TOPICS = sorted({topic for topics in READS.values() for topic in topics})
_LOOKS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many records a group has yet to read, and for how long the oldest waits at least."""

    records: int
    seconds: float


class Ends:
    """Where a group's topics ended at earlier looks, as far as it has not passed that yet."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, Offsets]] = deque()

    def note(self, now: float, ends: Offsets, committed: Offsets) -> Backlog | None:
        """Take what a look saw, and return how far behind the group is; None if it is not."""
        # What is oldest is kept: the age comes from it.
        if len(self._looks) < _LOOKS_MAX:
            self._looks.append((now, ends))
        while self._looks and _has_passed(committed, self._looks[0][1], ends):
            self._looks.popleft()
        if not self._looks:
            return None
        return Backlog(_left(committed, ends), now - self._looks[0][0])


def _has_passed(committed: Offsets, earlier: Offsets, ends: Offsets) -> bool:
    # A topic that was made anew ends before where it did.
    return all(
        committed.get(partition, 0) >= min(end, ends.get(partition, 0))
        for partition, end in earlier.items()
    )


def _left(committed: Offsets, ends: Offsets) -> int:
    return sum(max(0, end - committed.get(partition, 0)) for partition, end in ends.items())


class Billing:
    """Asks Kafka where the topics end and how far each group has come.

    `connect` makes a client, which is kept while it answers: one that does not may have forgotten
    its broker for good (librdkafka issue 5301).
    """

    def __init__(self, connect: Callable[[], Positions]) -> None:
        self._connect = connect
        self._positions: Positions | None = None
        self._ends = {group: Ends() for group in READS}

    def look(self) -> Faults:
        """Return the fault "billing" while there is a backlog; raises what KafkaPositions does."""
        positions = self._positions or self._connect()
        # Kept again once it has answered.
        self._positions = None
        found = self._look(positions)
        self._positions = positions
        return found

    def _look(self, positions: Positions) -> Faults:
        ends, now = positions.ends(_TOPICS), time.monotonic()
        late = []
        for group, topics in READS.items():
            read = {partition: end for partition, end in ends.items() if partition[0] in topics}
            backlog = self._ends[group].note(now, read, positions.committed(group, read))
            if backlog is not None and backlog.seconds >= BACKLOG_SECONDS:
                late.append(_told(group, backlog))
        return {"billing": f"{'; '.join(late)}: `outbox doctor`"} if late else {}


def _told(group: str, backlog: Backlog) -> str:
    return (
        f"records that {group} has yet to read: {backlog.records}, the oldest for "
        f"{backlog.seconds:.0f} s at least"
    )
