"""What a person can do about an exception, by what it holds: pure."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

CONFLICTS = {
    "session_conflict": "two events of the session contradict each other",
    "package_conflict": "a session names the package on other terms than its first event",
    "package_exceeded": "the package has all its sessions already",
    "ledger_conflict": "the ledger holds this bill with other facts",
}


class WayOut(Enum):
    """How an exception can be tried again, if at all."""

    POST_AGAIN = "post again"
    SEND_AGAIN = "send again"
    REFUSED = "refused"


def way_out(row: Mapping[str, Any]) -> WayOut:
    """Return how a row of billing_exceptions can be tried again.

    A payable is posted again by the ledger writer; the bytes of a Kafka record are sent again to
    its topic; a conflict stays one however often it is tried.
    """
    record = row["record"] or {}
    if row["reason"] in CONFLICTS:
        return WayOut.REFUSED
    if "payable" in record:
        return WayOut.POST_AGAIN
    if "topic" in record:
        return WayOut.SEND_AGAIN
    return WayOut.REFUSED


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
    void = "void the wrong event (insert services.session.voided with its id and the reason)"
    if row["reason"] == "ledger_conflict":
        void = "reverse or correct the entry if it is wrong"
    return (
        f"Exception {row['id']} is a {row['reason']} of {row['subject']}: {what}, and trying "
        f"again cannot change that. Either {void}, or {instead}."
    )
