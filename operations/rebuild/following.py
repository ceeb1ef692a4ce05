"""Waiting until processors have read what there is, for as long as they get on with it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from operations.failures import ProblemError
from operations.reconcile.positions import Positions
from operations.reconcile.stages import Stage, later_stages, sessions_stage

_POLL_SECONDS = 0.2
PATIENCE_SECONDS = 120.0

Report = Callable[[str, int, int], None]
"""Told which stage has done how much of how much."""


@dataclass(frozen=True, slots=True)
class Teller:
    """How it tells a person what it does: a line a step, and how far a step has come."""

    say: Callable[[str], None]
    report: Report


def follow_pipeline(positions: Positions, group: str, report: Report) -> None:
    """Wait until all that is in events.session now has reached the ledger writer's database.

    Raises ProblemError where a stage does not get on for `PATIENCE_SECONDS`.
    """
    for side_by_side in ((sessions_stage(group),), *later_stages(group)):
        for stage in side_by_side:
            follow(positions, stage, report)


def follow(
    positions: Positions,
    stage: Stage,
    report: Report,
    *,
    meanwhile: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until a stage has passed where its topics end now; raises ProblemError, as above.

    `meanwhile` is called again and again, at least once.
    """
    ends = positions.ends(stage.topics)
    total = sum(ends.values())
    moved_at, done = clock(), -1
    while True:
        meanwhile()
        committed = positions.committed(stage.group, ends)
        passed = sum(min(committed.get(partition, 0), end) for partition, end in ends.items())
        report(stage.name, passed, total)
        if passed >= total:
            return
        if passed > done:
            moved_at, done = clock(), passed
        if clock() - moved_at > PATIENCE_SECONDS:
            raise ProblemError(
                f"{stage.name} (consumer group {stage.group}) is {total - passed} records behind "
                f"in {', '.join(stage.topics)} and has not moved for {PATIENCE_SECONDS:.0f} s. Its "
                "log says why: `outbox status` names it."
            )
        sleep(_POLL_SECONDS)
