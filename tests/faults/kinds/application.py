"""Faults of the application itself, between its INSERT and its COMMIT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.acting import Act
from tests.faults.lane import MOMENTS
from tests.faults.site import Outcome
from tests.faults.stories import Event, session_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.site import Site

_EVENTS_MAX = 20
_SUBJECTS = 5


def _killed(moment: str) -> Callable[[Site], Outcome]:
    return lambda site: Outcome(site.application.kill(moment, site.random))


def _long_transaction(site: Site) -> Outcome:
    """Events that are old already when they become visible."""
    seconds = site.random.uniform(4, 12)
    events = [
        site.application.completed(site.random) for _ in range(site.random.randint(2, _EVENTS_MAX))
    ]
    site.application.commit(
        events, [f"session/{event.aggregate_id}" for event in events], held_seconds=seconds
    )
    return Outcome(f"{len(events)} events in one transaction that was open for {seconds:.1f} s")


def _interleaved(site: Site) -> Outcome:
    """What was inserted first, of the same sessions and users, is committed last.

    Whoever reads by the time of the insert, or by id, gets it in the wrong order, or not at all.
    """
    seconds = site.random.uniform(1, 5)
    completions = [
        site.application.completed(site.random, requiredEvaluation=True) for _ in range(_SUBJECTS)
    ]
    sessions = [event.aggregate_id for event in completions]
    evaluations = [
        session_event("evaluated", {"sessionId": session, "evaluatedAt": "2026-03-01T12:00:00Z"})
        for session in sessions
    ]
    users = [f"{session}-user" for session in sessions]
    site.application.interleave(
        [*evaluations, *map(_signup, users)],
        [*completions, *map(_signup, users)],
        seconds,
        [f"session/{session}" for session in sessions],
    )
    return Outcome(
        f"{2 * _SUBJECTS} events committed within {seconds:.1f} s of as many of the same sessions "
        "and users that were inserted before"
    )


def _signup(user: str) -> Event:
    payload = {"userId": user, "signedUpAt": "2026-03-01T12:00:00Z"}
    return Event("user", user, "user.signup", payload)


def _rolled_back(site: Site) -> Outcome:
    events = [site.application.completed(site.random) for _ in range(_EVENTS_MAX)]
    seconds = site.random.uniform(0, 3)
    site.application.roll_back(events, held_seconds=seconds)
    return Outcome(f"{len(events)} events rolled back after {seconds:.1f} s")


FAULTS = (
    *(Act(f"application: killed {moment}", "application", _killed(moment)) for moment in MOMENTS),
    Act("application: long transaction", "application", _long_transaction),
    Act("application: interleaved transactions", "application", _interleaved),
    Act("application: rollback", "application", _rolled_back),
)
