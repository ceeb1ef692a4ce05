"""What is followed of each event that was shown: its state, and when to look again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

FOLLOWED_MAX = 5_000
LOOKED_AT_MAX = 250
"""How many events one look asks for: each costs the database some look-ups."""
_FIRST_SECONDS = 0.5
_LONGEST_SECONDS = 30.0
_ENDS = frozenset({"billed", "dismissed", "not_billable"})


@dataclass(slots=True)
class _Followed:
    created_at: datetime
    state: tuple[str, str] | None = None
    wait_seconds: float = _FIRST_SECONDS
    look_at: float = 0.0


class Following:
    """The events whose end is not known yet; each is looked at less often the longer it waits."""

    def __init__(self) -> None:
        self._followed: dict[UUID, _Followed] = {}

    def begin(self, event: UUID, created_at: datetime) -> UUID | None:
        """Follow one more; return the one that is given up for it, where there are too many."""
        given_up = None
        if len(self._followed) >= FOLLOWED_MAX:
            given_up = next(iter(self._followed))
            del self._followed[given_up]
        self._followed[event] = _Followed(created_at)
        return given_up

    def due(self, now: float) -> dict[UUID, datetime]:
        """Return those to look at, each with its created_at: the longest due, LOOKED_AT_MAX."""
        due = [(known.look_at, event) for event, known in self._followed.items()]
        chosen = sorted((at, event) for at, event in due if at <= now)[:LOOKED_AT_MAX]
        return {event: self._followed[event].created_at for _, event in chosen}

    def note(self, row: Mapping[str, Any], now: float) -> bool:
        """Take what an event is like now; return whether that is news.

        `row` has the columns of history.sql. Once nothing more can become of an event by itself, it
        is followed no longer.
        """
        known = self._followed.get(row["id"])
        if known is None:
            return False
        state = (row["status"], row["billing"])
        changed = state != known.state
        known.wait_seconds = (
            _FIRST_SECONDS if changed else min(known.wait_seconds * 2, _LONGEST_SECONDS)
        )
        known.state = state
        known.look_at = now + known.wait_seconds
        if row["status"] != "pending" and row["billing"] in _ENDS:
            del self._followed[row["id"]]
        return changed
