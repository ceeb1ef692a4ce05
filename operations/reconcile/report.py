"""From the outcomes of the comparison to figures and a verdict: pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from operations.reconcile.comparison import OutcomeCount

LOSS_PERCENT_MAX = 0.5
"""More lost than that, and the release is rolled back (the users' own threshold)."""
ERROR_PERCENT_MAX = 1.0
"""More bills wrong than that, and the release is rolled back (likewise)."""

_EXPECTED = (
    "billed",
    "mismatched",
    "duplicate",
    "conflict",
    "missing",
    "failed",
    "awaiting_delivery",
    "taken_back",
)
_BILLED = ("billed", "mismatched", "duplicate", "conflict")
_DISCREPANCIES = (
    "missing",
    "undelivered",
    "duplicate",
    "mismatched",
    "failed",
    "overdue",
    "consumed_without_completed",
    "completed_without_consumed",
    "package_stuck",
)
_WAITING = ("in_flight", "retrying")


@dataclass(frozen=True, slots=True)
class Day:
    """The figures of one day (UTC): of the bills that fell due on it, and of its events.

    `verdict`: as that of all, by what belongs to this day; that a stage stands still is of no day.
    """

    day: date
    events: int
    expected: int
    billed: int
    missing: int
    failed: int
    duplicate: int
    mismatched: int
    undelivered: int
    waiting: int
    verdict: str


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What INTERFACE.md says of `outbox reconcile`; all but the percentages are counts.

    A bill that waits for something or was settled by a person's decision is not expected.
    `failed`: bills that a failed exception holds. `conflicts`: bills posted before a contradictory
    event came, of which a person has been asked: known, and no fault of the system's.
    `overdue_waits`: waits beyond their limit. `consumed_without_completed`, the reverse, and
    `packages_stuck` because of it: events that the application never wrote. `loss_percent`: the
    missing of the expected bills or the undelivered of the events, whichever is more.
    `stands_still`: a stage makes no progress, whatever else was found.
    `details`: the offenders, each with its `day`, `fault`, `reason` and ids; `details_left_out`:
    how many more there are of them.
    """

    events: int
    expected: int
    billed: int
    missing: int
    failed: int
    duplicate: int
    mismatched: int
    repriced: int
    undelivered: int
    conflicts: int
    waiting: int
    waiting_for: Mapping[str, int]
    overdue_waits: int
    consumed_without_completed: int
    completed_without_consumed: int
    packages_stuck: int
    decided: int
    loss_percent: float
    error_percent: float
    stands_still: bool
    verdict: str
    days: Sequence[Day]
    details: Sequence[Mapping[str, Any]]
    details_left_out: int
    warnings: Sequence[str]


class _Tally:
    """Outcomes, counted."""

    def __init__(self, outcomes: Sequence[OutcomeCount]) -> None:
        self.bills: dict[str, int] = defaultdict(int)
        self.offenders: dict[str, int] = defaultdict(int)
        self.not_owed: dict[str, int] = defaultdict(int)
        self.waiting: dict[str, int] = defaultdict(int)
        self.events = 0
        counts = {"bill": self.bills, "offender": self.offenders, "not_owed": self.not_owed}
        for outcome in outcomes:
            if outcome.section == "waiting":
                self.waiting[outcome.reason] += outcome.amount
            elif outcome.section == "events":
                self.events += outcome.amount
            else:
                counts[outcome.section][outcome.outcome] += outcome.amount
        for reason in _WAITING:
            if self.bills[reason] + self.not_owed[reason]:
                self.waiting[reason] = self.bills[reason] + self.not_owed[reason]
        self.expected = sum(self.bills[outcome] for outcome in _EXPECTED)
        self.billed = sum(self.bills[outcome] for outcome in _BILLED) + self.not_owed["mismatched"]

    @property
    def loss_percent(self) -> float:
        """Bills of bills and events of events: one event of a million is not 1 % of 100 bills."""
        return max(
            percent(self.offenders["missing"], self.expected),
            percent(self.offenders["undelivered"], self.events),
        )

    @property
    def error_percent(self) -> float:
        """What stands wrongly in the ledger, of what stands there."""
        return percent(self.offenders["duplicate"] + self.offenders["mismatched"], self.billed)

    def verdict(self, *, stands_still: bool = False) -> str:
        """Say what all of it comes to."""
        fault = stands_still or any(self.offenders[outcome] for outcome in _DISCREPANCIES)
        return verdict(self.loss_percent, self.error_percent, fault=fault)


def reconciliation(
    outcomes: Sequence[OutcomeCount], *, warnings: Sequence[str] = (), stands_still: bool = False
) -> Reconciliation:
    """Sum up; where a stage stands still the verdict cannot be clean."""
    tally = _Tally(outcomes)
    offenders = tally.offenders
    return Reconciliation(
        events=tally.events,
        expected=tally.expected,
        billed=tally.billed,
        missing=offenders["missing"],
        failed=offenders["failed"],
        duplicate=offenders["duplicate"],
        mismatched=offenders["mismatched"],
        repriced=offenders["repriced"],
        undelivered=offenders["undelivered"],
        conflicts=offenders["conflict"],
        waiting=sum(tally.waiting.values()),
        waiting_for=dict(sorted(tally.waiting.items())),
        overdue_waits=offenders["overdue"],
        consumed_without_completed=offenders["consumed_without_completed"],
        completed_without_consumed=offenders["completed_without_consumed"],
        packages_stuck=offenders["package_stuck"],
        decided=tally.bills["decided"] + tally.not_owed["decided"],
        loss_percent=tally.loss_percent,
        error_percent=tally.error_percent,
        stands_still=stands_still,
        verdict=tally.verdict(stands_still=stands_still),
        days=_days(outcomes),
        details=_details(outcomes),
        details_left_out=sum(
            outcome.amount - len(outcome.details)
            for outcome in outcomes
            if outcome.section == "offender"
        ),
        warnings=list(warnings),
    )


def _days(outcomes: Sequence[OutcomeCount]) -> list[Day]:
    by_day: dict[date, list[OutcomeCount]] = defaultdict(list)
    for outcome in outcomes:
        by_day[outcome.day].append(outcome)
    return [_day(day, by_day[day]) for day in sorted(by_day)]


def _day(day: date, outcomes: Sequence[OutcomeCount]) -> Day:
    tally = _Tally(outcomes)
    return Day(
        day=day,
        events=tally.events,
        expected=tally.expected,
        billed=tally.billed,
        missing=tally.offenders["missing"],
        failed=tally.offenders["failed"],
        duplicate=tally.offenders["duplicate"],
        mismatched=tally.offenders["mismatched"],
        undelivered=tally.offenders["undelivered"],
        waiting=sum(tally.waiting.values()),
        verdict=tally.verdict(),
    )


def _details(outcomes: Sequence[OutcomeCount]) -> list[dict[str, Any]]:
    return [
        {"day": outcome.day, "fault": outcome.outcome, "reason": outcome.reason, **detail}
        for outcome in outcomes
        for detail in outcome.details
    ]


def judged_until(outcomes: Sequence[OutcomeCount], newest: datetime) -> datetime:
    """Return the time before which nothing is on its way any more; `newest` at the latest."""
    return min([newest, *(each.first_at for each in outcomes if each.outcome in _WAITING)])


def percent(part: int, whole: int) -> float:
    """Return `part` of `whole` in percent, at most 100; something of nothing is all of it."""
    if part == 0:
        return 0.0
    return min(100.0, round(100 * part / whole, 4)) if whole else 100.0


def verdict(loss_percent: float, error_percent: float, *, fault: bool) -> str:
    """Return `clean`, `discrepancy` where there is any fault, `roll_back` past the thresholds."""
    if loss_percent > LOSS_PERCENT_MAX or error_percent > ERROR_PERCENT_MAX:
        return "roll_back"
    return "discrepancy" if fault else "clean"
