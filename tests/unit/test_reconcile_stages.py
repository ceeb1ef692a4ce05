"""What reconciliation waits for, with positions that a test moves."""

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import operations.reconcile
from operations.reconcile.positions import Offsets, Partition
from operations.reconcile.stages import sessions_stage, wait_for_progress, wait_until_passed

GROUP = "outbox-billing"
EVENTS = "events.session"
PACKAGES = "billing.package-sessions"
PAYABLES = "billing.payables"
LETTERS = "billing.dead-letters"


@dataclass
class MovingPositions:
    """Ends of topics, and committed offsets that `advance` moves whenever they are asked for."""

    end: dict[Partition, int]
    read: dict[Partition, int]
    advance: Callable[[], None] = lambda: None
    asked: list[str] = field(default_factory=list)

    def ends(self, topics: Iterable[str]) -> Offsets:
        wanted = set(topics)
        self.asked += sorted(wanted)
        return {key: value for key, value in self.end.items() if key[0] in wanted}

    def committed(self, group: str, partitions: Iterable[Partition]) -> Mapping[Partition, int]:  # noqa: ARG002
        self.advance()
        return {partition: self.read.get(partition, 0) for partition in partitions}


def everywhere(offset: int) -> dict[Partition, int]:
    return {(topic, 0): offset for topic in (EVENTS, PACKAGES, PAYABLES, LETTERS)}


def test_where_all_stages_have_passed_the_ends_nothing_is_late() -> None:
    positions = MovingPositions(everywhere(5), everywhere(5))
    progress = wait_for_progress(positions, GROUP, 0)
    assert progress.judged == {0: 5}
    assert not progress.lagging
    assert progress.late == []
    assert positions.asked == [EVENTS, PACKAGES, PAYABLES, LETTERS]


def test_the_end_of_each_stage_is_asked_for_only_once_the_one_before_has_passed() -> None:
    positions = MovingPositions(everywhere(5), everywhere(5))
    positions.read[EVENTS, 0] = 4

    def advance() -> None:
        # What the last event caused arrives when it is committed, not before.
        if positions.read[EVENTS, 0] == 4 and positions.asked == [EVENTS]:
            positions.read[EVENTS, 0] = 5
            positions.end[PACKAGES, 0] = 6
            positions.read[PACKAGES, 0] = 6

    positions.advance = advance
    progress = wait_for_progress(positions, GROUP, 5)
    assert progress.judged == {0: 5}
    assert progress.late == []


def test_a_late_first_stage_is_judged_by_what_it_has_passed() -> None:
    positions = MovingPositions(everywhere(5), everywhere(5))
    positions.read[EVENTS, 0] = 3
    progress = wait_for_progress(positions, GROUP, 0)
    assert progress.judged == {0: 3}
    assert not progress.lagging
    assert [passage.behind for passage in progress.late] == [2]


def test_a_late_later_stage_means_that_nothing_can_be_called_missing() -> None:
    for topic, name in ((PACKAGES, "packages processor"), (PAYABLES, "ledger writer")):
        positions = MovingPositions(everywhere(5), everywhere(5))
        positions.read[topic, 0] = 0
        progress = wait_for_progress(positions, GROUP, 0)
        assert progress.lagging
        (late,) = progress.late
        assert name in late.warning
        assert topic in late.warning
        assert "has not moved" in late.warning


def test_a_stage_that_works_is_slow_and_one_with_a_stuck_partition_stands_still() -> None:
    ends = {(EVENTS, 0): 10, (EVENTS, 1): 10}
    slow = MovingPositions(ends, {(EVENTS, 0): 1, (EVENTS, 1): 1})
    stuck = MovingPositions(ends, {(EVENTS, 0): 1, (EVENTS, 1): 1})
    slow.advance = lambda: slow.read.update({key: value + 1 for key, value in slow.read.items()})
    stuck.advance = lambda: stuck.read.update({(EVENTS, 0): stuck.read[EVENTS, 0] + 1})
    for positions, stands_still in ((slow, False), (stuck, True)):
        clock = iter(range(5))
        passage = wait_until_passed(
            positions,
            sessions_stage(GROUP),
            ends,
            2,
            lambda clock=clock: next(clock),
            lambda _: None,
        )
        assert passage.behind > 0
        assert passage.stands_still is stands_still


def test_all_that_is_waited_for_is_waited_for_as_the_caller_says() -> None:
    positions = MovingPositions(everywhere(5), everywhere(5))
    positions.read[PAYABLES, 0] = 4
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        positions.read[PAYABLES, 0] = 5

    assert wait_for_progress(positions, GROUP, 20, sleep).late == []
    assert len(waited) == 1


def test_reconciliation_shares_nothing_with_the_code_that_bills() -> None:
    for path in Path(operations.reconcile.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            shared = [name for name in modules if name.startswith("stream_processors")]
            assert set(shared) <= {"stream_processors.groups"}, path
