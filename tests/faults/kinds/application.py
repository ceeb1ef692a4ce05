"""Faults of the application itself, between its INSERT and its COMMIT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.acting import Act
from tests.faults.lane import MOMENTS
from tests.faults.site import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.site import Site

_EVENTS_MAX = 20


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
    """What was inserted first is committed last."""
    seconds = site.random.uniform(1, 5)
    first = [site.application.completed(site.random) for _ in range(5)]
    second = [site.application.completed(site.random) for _ in range(5)]
    site.application.interleave(first, second, seconds)
    return Outcome(f"5 events committed within {seconds:.1f} s of 5 that were inserted before")


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
