"""What `outbox reconcile` prints for people: figures, days, offenders, and what to do next."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from operations.output import print_table, say
from operations.reconcile.repairing import Repair
from operations.reconcile.report import Day, Reconciliation

DAYS_SHOWN = 31
"""Of a longer time, the last days are shown and those on which something is wrong."""

FIGURES = (
    "events", "expected", "billed", "missing", "failed", "duplicate", "mismatched", "repriced",
    "undelivered", "conflicts", "waiting", "overdue_waits", "consumed_without_completed",
    "completed_without_consumed", "packages_stuck", "decided", "loss_percent", "error_percent",
    "verdict",
)  # fmt: skip
_DAY = (
    "day", "events", "expected", "billed", "missing", "failed", "duplicate", "mismatched",
    "undelivered", "waiting", "verdict",
)  # fmt: skip

WAYS_OUT = {
    "missing": "Missing: `outbox reconcile --repair` sends their events again.",
    "undelivered": "Undelivered: `outbox connectors status` shows whether the connector runs; "
    "`outbox reconcile --repair` sends them by hand.",
    "failed": "Failed: `outbox exceptions list --status failed` says why; mend that, then "
    "`outbox exceptions retry`.",
    "duplicate": "Paid twice: `outbox ledger reverse ID --reason …` takes an entry back.",
    "mismatched": "Wrong in the ledger: `outbox ledger correct ID --reason …`, or `reverse` where "
    "nothing is owed. What is not_decided was posted by nobody's decision: `outbox ledger verify` "
    "tells whether more was touched.",
    "overdue_waits": "Overdue: ask the application for the event that they wait for.",
    "consumed_without_completed": "Consumed without completed: the application must insert "
    "services.session.completed for them, or nobody is paid.",
    "completed_without_consumed": "Completed without consumed: the application must insert "
    "service.consumed for them, or the contract grants them once more.",
    "packages_stuck": "Stuck packages are billed once their absent sessions are completed.",
    "conflicts": "Conflicts, posted before events that contradict them: see "
    "`outbox exceptions list --status failed --reason ledger_conflict`.",
}
"""What a person does about each figure that is not 0."""

_AFTER_REPAIR = (
    "Still missing after the repair: the processors have passed the events again and said nothing. "
    "See `outbox status` and the log of worker-1."
)


def print_reconciliation(found: Reconciliation) -> None:
    """Print figures, days and offenders as tables."""
    figures = asdict(found)
    rows = [{"figure": name, "value": figures[name]} for name in FIGURES]
    print_table(rows, ("figure", "value"))
    _print_days(found)
    _print_details(found)


def print_repair(repair: Repair) -> None:
    """Print what was found before and after, and what is left."""
    before, after = asdict(repair.before), asdict(repair.after)
    print_table(
        [{"figure": name, "before": before[name], "after": after[name]} for name in FIGURES],
        ("figure", "before", "after"),
    )
    _print_days(repair.after)
    _print_details(repair.after)
    if repair.events_sent:
        say(f"{repair.events_sent} events were sent again.")
    else:
        say("Nothing is missing or undelivered: no event was sent.")


def advise(found: Reconciliation, repaired: bool) -> None:
    """Say what waits, and for each figure that is not as it should be what to do."""
    if found.waiting_for:
        waits = [f"{count} for {what}" for what, count in found.waiting_for.items()]
        say(f"Waiting: {', '.join(waits)}.")
    figures = asdict(found)
    for name, way_out in WAYS_OUT.items():
        if figures[name]:
            say(_AFTER_REPAIR if repaired and name == "missing" else way_out)


def _print_days(found: Reconciliation) -> None:
    if len(found.days) < 2:  # noqa: PLR2004 - one day says what the figures say
        return
    shown = [
        day
        for place, day in enumerate(reversed(found.days))
        if place < DAYS_SHOWN or _is_wrong(day)
    ]
    print_table([_row(day) for day in reversed(shown)], _DAY)
    if len(shown) < len(found.days):
        say(
            f"{len(found.days) - len(shown)} earlier days without a fault are not shown: "
            "`--output json` has them."
        )


def _is_wrong(day: Day) -> bool:
    return day.verdict != "clean"


def _row(day: Day) -> dict[str, Any]:
    return {**asdict(day), "day": day.day.isoformat()}


def _print_details(found: Reconciliation) -> None:
    if found.details:
        columns = ("fault", "reason", "of", "ledger", "event", "exception")
        print_table([_named(detail) for detail in found.details], columns)
    if found.details_left_out:
        say(
            f"{found.details_left_out} more are counted and not shown: set "
            "OUTBOX_RECONCILE_DETAILS_MAX, or narrow it with --since and --until."
        )


def _named(detail: Mapping[str, Any]) -> dict[str, Any]:
    subject = f"{detail['kind']} {detail['subject']}" if "subject" in detail else None
    return {
        "fault": detail["fault"],
        "reason": detail["reason"],
        "of": subject or detail["aggregate_id"],
        "ledger": detail.get("ledger_id") or detail.get("ledger_ids"),
        "event": detail.get("event_id") or detail.get("source_event_id"),
        "exception": detail.get("exception_id"),
    }
