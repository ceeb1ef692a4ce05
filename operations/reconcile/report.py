"""From the outcomes of the comparison to figures and a verdict: pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
)
_BILLED = ("billed", "mismatched", "duplicate", "conflict")
_DISCREPANCIES = ("missing", "undelivered", "duplicate", "mismatched", "failed")
_WAITING = ("in_flight", "retrying")


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What INTERFACE.md says of `outbox reconcile`; all but the percentages are counts.

    A bill that waits for something or was settled by a person's decision is not expected.
    `failed`: bills that a failed exception holds. `conflicts`: bills posted before a contradictory
    event came, of which a person has been asked: known, and no fault of the system's.
    `details`: the offenders, each with its `fault`, `reason` and ids; `details_left_out`: how many
    more there are of them.
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
    decided: int
    loss_percent: float
    error_percent: float
    verdict: str
    details: Sequence[Mapping[str, Any]]
    details_left_out: int
    warnings: Sequence[str]


def reconciliation(
    outcomes: Sequence[OutcomeCount], *, warnings: Sequence[str] = (), fault: bool = False
) -> Reconciliation:
    """Sum up; `fault` says that a stage stands still, so that the verdict cannot be clean."""
    bills: dict[str, int] = defaultdict(int)
    offenders: dict[str, int] = defaultdict(int)
    not_owed: dict[str, int] = defaultdict(int)
    waiting: dict[str, int] = defaultdict(int)
    counts = {"bill": bills, "offender": offenders, "not_owed": not_owed}
    for outcome in outcomes:
        if outcome.section == "waiting":
            waiting[outcome.reason] += outcome.amount
        elif outcome.section in counts:
            counts[outcome.section][outcome.outcome] += outcome.amount
    for reason in _WAITING:
        if bills[reason] + not_owed[reason]:
            waiting[reason] = bills[reason] + not_owed[reason]
    expected = sum(bills[outcome] for outcome in _EXPECTED)
    billed = sum(bills[outcome] for outcome in _BILLED) + not_owed["mismatched"]
    loss = percent(offenders["missing"] + offenders["undelivered"], expected)
    error = percent(offenders["duplicate"] + offenders["mismatched"], billed)
    return Reconciliation(
        events=sum(outcome.amount for outcome in outcomes if outcome.section == "events"),
        expected=expected,
        billed=billed,
        missing=offenders["missing"],
        failed=offenders["failed"],
        duplicate=offenders["duplicate"],
        mismatched=offenders["mismatched"],
        repriced=offenders["repriced"],
        undelivered=offenders["undelivered"],
        conflicts=offenders["conflict"],
        waiting=sum(waiting.values()),
        waiting_for=dict(sorted(waiting.items())),
        decided=bills["decided"] + not_owed["decided"],
        loss_percent=loss,
        error_percent=error,
        verdict=verdict(
            loss, error, fault=fault or any(offenders[outcome] for outcome in _DISCREPANCIES)
        ),
        details=_details(outcomes),
        details_left_out=sum(
            outcome.amount - len(outcome.details)
            for outcome in outcomes
            if outcome.section == "offender"
        ),
        warnings=list(warnings),
    )


def _details(outcomes: Sequence[OutcomeCount]) -> list[dict[str, Any]]:
    return [
        {"fault": outcome.outcome, "reason": outcome.reason, **detail}
        for outcome in outcomes
        for detail in outcome.details
    ]


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
