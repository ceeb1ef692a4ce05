"""What completes: sessions of a run, and the events that an application writes of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MENTORS = 50
PACKAGE_SESSIONS = 10
# Of them, in a mix, the first half is a package.
_CONTRACT_SESSIONS = 2 * PACKAGE_SESSIONS
SINGLES, MIX = "singles", "mix"
_AT = "2026-03-01T12:00:00Z"


@dataclass(frozen=True, slots=True)
class Written:
    """An event as an application inserts it; `payload` is JSON text."""

    session_id: str
    event_type: str
    payload: str


@dataclass(frozen=True, slots=True)
class Work:
    """Sessions of a run.

    `singles`: each session is one event and one bill. `mix`: of twenty sessions ten are a package,
    ten are single; every other one needs its evaluation, which follows at once.
    """

    run: str
    kind: str
    sessions: int

    def events_of(self, number: int) -> Iterator[Written]:
        """Yield the events of one session, in their order."""
        evaluated = self.kind == MIX and number % 2 == 1
        yield self._completed(number, evaluated=evaluated)
        if evaluated:
            payload: dict[str, object] = {
                "sessionId": self._session_id(number),
                "evaluatedAt": _AT,
            }
            yield self._written(number, "services.session.evaluated", payload)

    def all_events(self) -> Iterator[Written]:
        """Yield the events of all sessions, one session after the other."""
        for number in range(self.sessions):
            yield from self.events_of(number)

    @property
    def events(self) -> int:
        """How many events all sessions are."""
        return self.sessions + (self.sessions // 2 if self.kind == MIX else 0)

    @property
    def bills(self) -> int:
        """How many entries the ledger has in the end."""
        if self.kind == SINGLES:
            return self.sessions
        twenties, rest = divmod(self.sessions, _CONTRACT_SESSIONS)
        singles = twenties * PACKAGE_SESSIONS + max(0, rest - PACKAGE_SESSIONS)
        return singles + twenties + (rest >= PACKAGE_SESSIONS)

    def mentors(self) -> list[str]:
        """Return who holds the sessions."""
        return [
            self._mentor(number)
            for number in range(0, MENTORS * _CONTRACT_SESSIONS, _CONTRACT_SESSIONS)
        ]

    def _completed(self, number: int, *, evaluated: bool) -> Written:
        payload: dict[str, object] = {
            "sessionId": self._session_id(number),
            "contractId": f"{self.run}-contract-{number // _CONTRACT_SESSIONS}",
            "mentorId": self._mentor(number),
            "studentId": f"{self.run}-student-{number // _CONTRACT_SESSIONS}",
            "sessionType": "mentoring",
            "requiredEvaluation": evaluated,
            "completedAt": _AT,
        }
        if self.kind == MIX and number % _CONTRACT_SESSIONS < PACKAGE_SESSIONS:
            payload |= {
                "servicePackageId": f"{self.run}-package-{number // _CONTRACT_SESSIONS}",
                "packageCode": "course",
                "packageTotalSessions": PACKAGE_SESSIONS,
            }
        return self._written(number, "services.session.completed", payload)

    def _written(self, number: int, event_type: str, payload: dict[str, object]) -> Written:
        return Written(self._session_id(number), event_type, json.dumps(payload))

    def _session_id(self, number: int) -> str:
        return f"{self.run}-{number:07}"

    def _mentor(self, number: int) -> str:
        # A package has one mentor.
        return f"{self.run}-mentor-{number // _CONTRACT_SESSIONS % MENTORS}"
