"""What a run under kill -9 came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LATE_SECONDS = 1.0
"""A bill that comes later than that after its event's INSERT has waited for a recovery."""


@dataclass(frozen=True, slots=True)
class Bill:
    """A committed session and its bills: wall-clock times in seconds."""

    committed_at: float
    posted_at: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts of sessions; times in milliseconds.

    `late`: bills that came more than a second after their INSERT. `longest_wait_ms`: from an
    INSERT to its bill. `recovery_ms`: from the last kill until the last late bill was there.
    """

    system: str
    killed: str
    kills: int
    committed: int
    lost: int
    billed_twice: int
    late: int
    longest_wait_ms: int
    recovery_ms: int


def outcome(system: str, killed: str, kills: Sequence[float], bills: Iterable[Bill]) -> Outcome:
    """Sum up; kills are wall-clock times in seconds."""
    sessions = list(bills)
    firsts = [(min(bill.posted_at), bill) for bill in sessions if bill.posted_at]
    late = [at for at, bill in firsts if at - bill.committed_at > LATE_SECONDS]
    return Outcome(
        system=system,
        killed=killed,
        kills=len(kills),
        committed=len(sessions),
        lost=sum(not bill.posted_at for bill in sessions),
        billed_twice=sum(len(bill.posted_at) > 1 for bill in sessions),
        late=len(late),
        longest_wait_ms=round(
            1000 * max((at - bill.committed_at for at, bill in firsts), default=0)
        ),
        recovery_ms=max(0, round(1000 * (max(late) - kills[-1]))) if late and kills else 0,
    )
