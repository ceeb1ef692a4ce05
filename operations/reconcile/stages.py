"""What the pipeline has finished: the processors' and the ledger writer's committed offsets.

Each stage commits only after what it says has arrived in the next topic. So, once each stage has
passed where its topic ended when the one before was asked, everything that follows from the events
below the first positions is in the database.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from operations.reconcile.positions import Offsets, Positions
from schemas.topics import DEAD_LETTERS, EVENTS_SESSION, PACKAGE_SESSIONS, PAYABLES
from stream_processors.groups import DEAD_LETTERS_GROUP, PAYABLES_GROUP

Sleep = Callable[[float], None]
"""Waits for so many seconds."""

_POLL_SECONDS = 0.2
_FIRST_TOPICS = (EVENTS_SESSION.name,)


@dataclass(frozen=True, slots=True)
class Stage:
    """A consumer group that must pass the ends of topics."""

    name: str
    group: str
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Passage:
    """How a wait ended.

    `behind`: records that the stage has not passed. `stands_still`: a partition with some of them
    made no progress at all while we waited.
    """

    stage: Stage
    committed: Offsets
    behind: int
    stands_still: bool

    @property
    def warning(self) -> str:
        """What a person should know of a stage that is behind."""
        pace = "has not moved" if self.stands_still else "is still working"
        return (
            f"{self.stage.name} (consumer group {self.stage.group}) is {self.behind} records "
            f"behind in {', '.join(self.stage.topics)} and {pace}: what depends on them counts as "
            "waiting. `outbox status` shows whether it runs."
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """What the stages have passed.

    `judged` is the offset by partition of events.session, `ends` where that topic ended before.
    """

    judged: Mapping[int, int]
    ends: Mapping[int, int]
    late: Sequence[Passage]

    @property
    def lagging(self) -> bool:
        """Whether a stage after the first is behind, so that nothing can be called missing."""
        return any(passage.stage.topics != _FIRST_TOPICS for passage in self.late)


def sessions_stage(group: str) -> Stage:
    """Return the stage that reads the events of sessions."""
    return Stage("The sessions processor", group, _FIRST_TOPICS)


def later_stages(group: str) -> tuple[tuple[Stage, ...], ...]:
    """Return what follows on it, in order; stages of one tuple work side by side."""
    return (
        (Stage("The packages processor", group, (PACKAGE_SESSIONS.name,)),),
        (
            Stage("The ledger writer", PAYABLES_GROUP, (PAYABLES.name,)),
            Stage("The ledger writer", DEAD_LETTERS_GROUP, (DEAD_LETTERS.name,)),
        ),
    )


def wait_for_progress(
    positions: Positions, group: str, wait_seconds: float, sleep: Sleep = time.sleep
) -> Progress:
    """Wait until everything that is in events.session now has reached the database.

    Each stage may take `wait_seconds`. Where the first one is behind then, it is judged by what
    it has passed. Raises UnreachableError where Kafka does not answer.
    """
    sessions = sessions_stage(group)
    first_ends = positions.ends(sessions.topics)
    first = wait_until_passed(positions, sessions, first_ends, wait_seconds, sleep=sleep)
    passages = [first]
    for side_by_side in later_stages(group):
        ends = [(stage, positions.ends(stage.topics)) for stage in side_by_side]
        passages += [
            wait_until_passed(positions, stage, end, wait_seconds, sleep=sleep)
            for stage, end in ends
        ]
    return Progress(
        judged={partition: offset for (_, partition), offset in first.committed.items()},
        ends={partition: offset for (_, partition), offset in first_ends.items()},
        late=[passage for passage in passages if passage.behind],
    )


def wait_until_passed(
    positions: Positions,
    stage: Stage,
    ends: Offsets,
    wait_seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Sleep = time.sleep,
) -> Passage:
    """Wait until a stage has committed past `ends`, at most `wait_seconds`."""
    deadline = clock() + wait_seconds
    start = committed = positions.committed(stage.group, ends)
    while _behind(committed, ends) and clock() < deadline:
        sleep(_POLL_SECONDS)
        committed = positions.committed(stage.group, ends)
    return Passage(
        stage,
        committed,
        _behind(committed, ends),
        stands_still=any(
            committed.get(partition, 0) == start.get(partition, 0) < end
            for partition, end in ends.items()
        ),
    )


def _behind(committed: Offsets, ends: Offsets) -> int:
    return sum(max(end - committed.get(partition, 0), 0) for partition, end in ends.items())
