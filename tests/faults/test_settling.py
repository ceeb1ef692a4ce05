"""A fault is over once the status is green and all that was committed until then is through."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from tests.faults import settling
from tests.faults.backlog import Waiting
from tests.faults.evidence import Evidence
from tests.faults.settling import UNSEEN_SECONDS, Settling

NOTHING = Waiting(frozenset(), frozenset())


@dataclass
class ScriptedBacklog:
    """Tells one snapshot after the other; each is gone after so many looks, if ever."""

    snapshots: list[Waiting]
    looks: float
    seen: list[Waiting] = field(default_factory=list)
    last_commits: dict[str, float] = field(default_factory=dict)

    def waiting(self) -> Waiting:
        self.seen.append(self.snapshots.pop(0))
        self._left = self.looks
        return self.seen[-1]

    def still(self, waiting: Waiting) -> Waiting:
        self._left -= 1
        return waiting if self._left >= 0 else NOTHING


@pytest.fixture
def evidence() -> Iterator[Evidence]:
    evidence = Evidence(":memory:")
    yield evidence
    evidence.close()


def some(name: str) -> Waiting:
    return Waiting(frozenset({name}), frozenset())


def sample(evidence: Evidence, at: float, unhealthy: str = "") -> None:
    evidence.insert("samples", [(at, at, unhealthy, 0, 0, 0.0, "reserved")])


def settled(
    evidence: Evidence, backlog: ScriptedBacklog, ended_at: float
) -> tuple[float | None, float | None]:
    monitor = cast("Any", type("Monitor", (), {"unhealthy": ("connect",)}))
    return Settling(cast("Any", backlog), monitor, evidence, lambda _: None).settle(ended_at)


def test_what_was_committed_until_the_status_is_green_is_waited_for_too(evidence: Evidence) -> None:
    ended_at = time.monotonic() - 60
    sample(evidence, ended_at + 10, "connect")
    sample(evidence, ended_at + 20)
    backlog = ScriptedBacklog([NOTHING, some("of the outage")], looks=3)
    recovered_at, green_at = settled(evidence, backlog, ended_at)
    assert backlog.seen == [NOTHING, some("of the outage")]
    assert green_at == ended_at + 20
    assert recovered_at is not None
    assert recovered_at > ended_at + 60


def test_what_was_killed_a_moment_ago_may_still_look_well(
    evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "GREEN_SECONDS", 0.3)
    ended_at = time.monotonic() - 60
    sample(evidence, ended_at + UNSEEN_SECONDS / 2)
    _, green_at = settled(evidence, ScriptedBacklog([NOTHING, NOTHING], looks=0), ended_at)
    assert green_at is None


def test_the_second_backlog_must_go_as_the_first(
    evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "PATIENCE_SECONDS", 0.3)
    ended_at = time.monotonic() - 60
    sample(evidence, ended_at + 2)
    stuck = ScriptedBacklog([NOTHING, some("for ever")], looks=float("inf"))
    assert settled(evidence, stuck, ended_at) == (None, ended_at + 2)
