"""What a person can do about an exception, by what it holds: pure."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any

CONFLICTS = {
    "session_conflict": "two events of the session contradict each other",
    "package_conflict": "a session names the package on other terms than its first event",
    "package_exceeded": "the package has all its sessions already",
    "ledger_conflict": "the ledger holds this bill with other facts",
}


class WayOut(StrEnum):
    """How an exception can be tried again, if at all."""

    POST_AGAIN = "post again"
    SEND_AGAIN = "send again"
    REFUSED = "refused"


def way_out(row: Mapping[str, Any]) -> WayOut:
    """Return how a row of billing_exceptions can be tried again.

    A payable is posted again by the ledger writer; the bytes of a Kafka record are sent again to
    its topic; a conflict stays one however often it is tried, but for two: the excess session that
    a person decided to bill singly (its exception holds that payable), and a bill that was kept
    out by another one, which pays its session and which a person may take back.
    """
    return way_out_of(row["reason"], row["record"] or {})


def way_out_of(reason: str, contents: Collection[str]) -> WayOut:
    """Return the same, by the reason and the names of the fields that the record holds."""
    kept_out = reason == "ledger_conflict" and "refused" in contents
    singly = reason == "package_exceeded" and "payable" in contents
    if reason in CONFLICTS and not singly and not kept_out:
        return WayOut.REFUSED
    if "payable" in contents:
        return WayOut.POST_AGAIN
    if "topic" in contents:
        return WayOut.SEND_AGAIN
    return WayOut.REFUSED


def is_of_an_event(row: Mapping[str, Any]) -> bool:
    """Whether an exception holds the record of an event, whose value a person may edit."""
    return str((row["record"] or {}).get("topic", "")).startswith("events.")


def refusal(row: Mapping[str, Any]) -> str | None:
    """Return why an exception can't be tried again, and what to do instead; None where it can."""
    if row["status"] == "resolved":
        return f"Exception {row['id']} is already resolved ({row['resolution']})."
    if way_out(row) is not WayOut.REFUSED:
        return None
    instead = (
        f"dismiss it with `outbox exceptions dismiss {row['id']} --reason …` if the bill is right "
        "as it stands"
    )
    what = CONFLICTS.get(row["reason"])
    if what is None:
        return f"Exception {row['id']} holds nothing that could be tried again: {instead}."
    decide = (
        f"`outbox exceptions resolve --void {row['source_event_id']} --reason …` if it is wrong"
    )
    if row["reason"] == "ledger_conflict":
        decide = "`outbox ledger correct` or `reverse` if the entry is wrong"
    elif row["reason"] == "package_exceeded":
        decide += f", bill its session by itself with `outbox exceptions resolve {row['id']} "
        decide += "--bill-singly --reason …`"
    return (
        f"Exception {row['id']} is a {row['reason']} of {row['subject']}: {what}, and trying "
        f"again cannot change that. Decide: {decide}, or {instead}."
    )
