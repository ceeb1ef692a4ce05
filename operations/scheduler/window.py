"""From when on the minutely reconciliation reads: what was judged is not read again each minute.

It reads on only from where everything had been judged and nothing was alarming. So what is not
repaired, or could not be judged yet, is found again by every run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from operations.scheduler.timetable import Outcome, Turn


@dataclass(frozen=True, slots=True)
class Window:
    """`span`: how far back it reaches at most. `overlap`: how much is read twice.

    The overlap is for what gets its time before it is seen: created_at is not the commit.
    """

    span: timedelta
    overlap: timedelta

    def since(self, turn: Turn) -> datetime:
        """Return from when on a run reads."""
        now = datetime.fromtimestamp(turn.began_at, UTC)
        oldest = now - self.span
        if turn.last is None or turn.last.next_since is None:
            return oldest
        begins = datetime.fromtimestamp(turn.last.next_since, UTC)
        # One in the future is of a clock that was set back since: that time comes again.
        return begins if oldest < begins < now else oldest

    def next_since(
        self, since: datetime, outcome: Outcome, judged_until: datetime | None
    ) -> datetime:
        """Return from when on the next run reads, after one that read from `since` on.

        What is for a person to decide (failed bills) was judged: it does not hold the window.
        """
        if outcome.alarming or judged_until is None:
            return since
        return max(since, judged_until - self.overlap)
