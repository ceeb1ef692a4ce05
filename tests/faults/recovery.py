"""I6 in detail: how soon a backlog goes, and whether anybody was told while there was one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.evidence import Evidence

RECOVERY_SECONDS_MAX = 60.0
BACKLOG_SECONDS = 5.0
"""What waits for longer is a backlog, and not just on its way."""

BLIND_SECONDS_MAX = 20.0
"""So long may a backlog, or a lost slot, go unnoticed by the status: several looks of whoever
watches it."""

WITHOUT_RECEIPT = """
    SELECT id, aggregate_type, aggregate_id FROM journal
    WHERE outcome = 'committed' AND id NOT IN (SELECT id FROM receipts)
"""
# The suite itself stops processes, before some faults stand and from their repair on: a look must
# be over by then. Where there is none to be stopped, one that has begun sees the fault itself.
GREEN_ALL_THE_WHILE = """
    SELECT number, kind FROM faults WHERE red = 1 AND NOT EXISTS (
        SELECT 1 FROM samples WHERE unhealthy <> '' AND samples.at >= struck_at
        AND CASE WHEN repair THEN samples.ended_at ELSE samples.at END <= repair_at)
"""


def backlogs_go_soon(evidence: Evidence) -> Iterator[str]:
    """After each fault, and after the last event of the run."""
    for number, kind, ended_at, recovered_at, green_at, exempt in evidence.rows(
        "SELECT number, kind, ended_at, recovered_at, green_at, exempt FROM faults"
    ):
        fault = f"fault {number}, {kind}"
        if recovered_at is None:
            yield f"{fault}: the backlog never went"
        elif recovered_at - ended_at > RECOVERY_SECONDS_MAX and not exempt:
            yield f"{fault}: the backlog was gone only after {recovered_at - ended_at:.1f} s"
        if green_at is None:
            yield f"{fault}: the status was never green again"
    for event_id, kind, aggregate_id in evidence.rows(WITHOUT_RECEIPT):
        yield f"event {event_id} of {kind} {aggregate_id} was committed and has no receipt"


def long_faults_were_red(evidence: Evidence) -> Iterator[str]:
    """By themselves: what the suite stops for its own ends does not count."""
    for number, kind in evidence.rows(GREEN_ALL_THE_WHILE):
        yield f"fault {number}, {kind}: it lasted, and the status was green all the while"


def backlogs_were_red(evidence: Evidence) -> Iterator[str]:
    """Whatever they came from."""
    begun_at: float | None = None
    ended_at, worst = 0.0, (0.0, 0, 0)
    samples = evidence.rows(
        "SELECT at, unhealthy, oldest_seconds, undelivered, unbilled FROM samples ORDER BY at"
    )
    # One look more, which ends the last stretch.
    for at, unhealthy, oldest_seconds, undelivered, unbilled in (*samples, (0.0, "", 0.0, 0, 0)):
        if not unhealthy and oldest_seconds > BACKLOG_SECONDS:
            begun_at = at if begun_at is None else begun_at
            ended_at, worst = at, max(worst, (oldest_seconds, undelivered, unbilled))
            continue
        # One and the same: where all is slow, something is always on its way, and nothing waits.
        waited = worst[0] > BLIND_SECONDS_MAX
        if waited and begun_at is not None and ended_at - begun_at > BLIND_SECONDS_MAX:
            yield _blind(evidence, begun_at, ended_at, *worst)
        begun_at, worst = None, (0.0, 0, 0)


def _blind(
    evidence: Evidence,
    begun_at: float,
    ended_at: float,
    oldest_seconds: float,
    undelivered: int,
    unbilled: int,
) -> str:
    fault = evidence.one(
        "SELECT number || ', ' || kind FROM faults WHERE begun_at <= ? "
        "ORDER BY begun_at DESC LIMIT 1",
        ended_at,
    )
    return (
        f"{undelivered} events and {unbilled} bills waited, the oldest for {oldest_seconds:.0f} s, "
        f"and the status was green for {ended_at - begun_at:.0f} s (fault {fault})"
    )
