"""What the scheduler does. A verb is imported when it first runs, so that the start is quick."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from infra.local.programs import SCHEDULER
from operations.scheduler.timetable import Outcome, Task, Turn
from operations.scheduler.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from operations.maintain.report import Maintenance
    from operations.reconcile.reconciling import Examination
    from operations.reconcile.report import Reconciliation
    from operations.scheduler.settings import SchedulerSettings
    from operations.settings import Settings

Examine: TypeAlias = "Callable[[datetime | None, Turn], Examination]"
"""Reconciles what was touched since then."""
Record: TypeAlias = "Callable[[str, datetime | None, Turn, Reconciliation], None]"
"""Keeps, for the console, what a task found since then."""

RECONCILE_LATELY = "reconcile"
RECONCILE_DAY = "reconcile-day"
RECONCILE_ALL = "reconcile-all"
MAINTAIN = "maintain"
CLEAN = "clean"
_RETRY_DAILY_SECONDS = 300.0
# With this, what works for a sixth of its limit comes to its next verdict just within it.
_SHARE_MAX = 0.2
# What the system or an application did wrong; failed bills are for a person to decide.
_ALARMING = (
    "missing", "undelivered", "duplicate", "mismatched", "overdue_waits",
    "consumed_without_completed", "completed_without_consumed", "packages_stuck",
)  # fmt: skip
_FOR_A_PERSON = ("failed",)


class NoVerdictError(Exception):
    """A stage was behind, so that nothing found says that all is well."""


def addresses() -> Settings:
    """Return what every verb is told, but that no link that goes nowhere holds a task for hours."""
    from operations.settings import load_settings  # noqa: PLC0415

    return load_settings().noticing_a_dead_link()


def _examine(since: datetime | None, turn: Turn) -> Examination:
    from operations.reconcile.reconciling import examine_now  # noqa: PLC0415
    from operations.scheduler.offenders import log_offenders  # noqa: PLC0415

    examined = examine_now(addresses(), (since, None), turn.sleep)
    log_offenders(examined.found)
    return examined


def _record(task: str, since: datetime | None, turn: Turn, found: Reconciliation) -> None:
    from operations.reconcile.reconciling import database  # noqa: PLC0415
    from operations.reconcile.recording import record_run  # noqa: PLC0415

    began_at = datetime.fromtimestamp(turn.began_at, UTC)
    with database(addresses().need("database_url")) as connection:
        record_run(connection, task, SCHEDULER, (since, None), began_at, found)


def reconciling(settings: SchedulerSettings, examine: Examine = _examine) -> Task:
    """Return the task that reconciles what is new since everything was judged."""
    window = Window(
        span=timedelta(hours=settings.scheduler_window_hours),
        overlap=timedelta(seconds=settings.scheduler_overlap_seconds),
    )

    def run(turn: Turn) -> Outcome:
        since = window.since(turn)
        examined = examine(since, turn)
        outcome = outcome_of(examined.found, since)
        if examined.judged_until is None and not outcome.alarming:
            raise NoVerdictError(
                f"nothing of it could be judged: {'; '.join(examined.found.warnings)}"
            )
        next_since = window.next_since(since, outcome, examined.judged_until).timestamp()
        again = (turn.began_at - next_since) / (turn.began_at - since.timestamp())
        return replace(outcome, next_since=next_since, again=again)

    return Task(
        name=RECONCILE_LATELY,
        run=run,
        every_seconds=settings.scheduler_reconcile_seconds,
        limit_seconds=settings.scheduler_reconcile_limit_seconds,
        first_seconds=settings.scheduler_first_seconds,
        retry_seconds=settings.scheduler_reconcile_seconds,
        share_max=_SHARE_MAX,
    )


def reconciling_day(
    settings: SchedulerSettings, examine: Examine = _examine, record: Record = _record
) -> Task:
    """Return the task that reconciles the whole of the last hours, as often as its share allows.

    It finds what became wrong, or was committed, long after its time.
    """
    span = timedelta(hours=settings.scheduler_window_hours)

    def run(turn: Turn) -> Outcome:
        since = datetime.fromtimestamp(turn.began_at, UTC) - span
        return _recorded(RECONCILE_DAY, since, turn, examine, record)

    return Task(
        name=RECONCILE_DAY,
        run=run,
        every_seconds=settings.scheduler_reconcile_seconds,
        limit_seconds=settings.scheduler_daily_limit_seconds,
        # Between two runs of the minute's: both at once would leave the bills no processor.
        first_seconds=settings.scheduler_first_seconds + settings.scheduler_reconcile_seconds / 2,
        retry_seconds=settings.scheduler_reconcile_seconds,
        share_max=settings.scheduler_share_max,
    )


def daily(settings: SchedulerSettings) -> list[Task]:
    """Return what is done once a day, in this order."""
    return [
        Task(
            name=name,
            run=run,
            every_seconds=settings.scheduler_daily_seconds,
            limit_seconds=settings.scheduler_daily_limit_seconds,
            first_seconds=settings.scheduler_first_seconds,
            retry_seconds=min(_RETRY_DAILY_SECONDS, settings.scheduler_daily_seconds),
            share_max=_SHARE_MAX,
        )
        for name, run in ((RECONCILE_ALL, _reconcile_all), (MAINTAIN, _maintain))
    ]


def _reconcile_all(turn: Turn) -> Outcome:
    return _recorded(RECONCILE_ALL, None, turn, _examine, _record)


def _recorded(
    task: str, since: datetime | None, turn: Turn, examine: Examine, record: Record
) -> Outcome:
    """Reconcile, and keep what was found; what cannot be kept is told, and judged nevertheless."""
    found = examine(since, turn).found
    outcome = outcome_of(found, since)
    try:
        record(task, since, turn, found)
    except Exception as error:  # noqa: BLE001 - whatever it is, the verdict stands
        fault = " ".join(str(error).split()) or repr(error)
        told = f"{outcome.summary}. It could not be recorded, so the console shows an earlier one"
        return replace(outcome, summary=f"{told}: {fault}", fine=False)
    return outcome


def outcome_of(found: Reconciliation, since: datetime | None) -> Outcome:
    """Return what a reconciliation means to whoever watches."""
    counts = {name: getattr(found, name) for name in (*_ALARMING, *_FOR_A_PERSON)}
    if found.verdict == CLEAN:
        summary = f"{found.events} events and {found.expected} bills are as they should be"
        return Outcome(CLEAN, summary, fine=True, offenders=counts)
    counted = [f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count]
    command = "outbox reconcile"
    if since is not None:
        command += f" --since {since.isoformat(timespec='seconds')}"
    parts = [*([", ".join(counted)] if counted else []), *found.warnings]
    return Outcome(
        verdict=found.verdict,
        summary=f"{found.verdict}: {'; '.join(parts)}. `{command}` shows which",
        fine=False,
        alarming=found.stands_still or any(counts[name] for name in _ALARMING),
        offenders=counts,
    )


def _maintain(_: Turn) -> Outcome:
    from operations.maintain.command import maintain_now  # noqa: PLC0415

    return outcome_of_maintenance(maintain_now(addresses()))


def outcome_of_maintenance(done: Maintenance) -> Outcome:
    """Return what a maintenance means: a day that must be kept holds an event that is not safe.

    A ledger that could not be sealed is told as well.
    """
    summary = f"{len(done.dropped)} days dropped, {done.partitions_made} partitions made"
    if done.fine:
        return Outcome("done", summary, fine=True)
    said = " ".join([*(day.message for day in done.kept), *done.faults])
    outcome = "kept" if done.kept else "not sealed"
    return Outcome(outcome, f"{summary}. {said} `outbox maintain` says it again", fine=False)
