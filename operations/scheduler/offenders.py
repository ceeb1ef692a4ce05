"""What a reconciliation found wrong, in the log: each under the ids by which it is found there."""

from collections.abc import Mapping
from typing import Any

import structlog

from operations.reconcile.report import Reconciliation

_log = structlog.get_logger(__name__)

LINES_MAX = 20
"""Of one run; `outbox reconcile` shows the rest."""

# Each has its exception, which was logged when it was recorded.
_ASKED_OF_A_PERSON = ("failed", "conflict")


def log_offenders(found: Reconciliation) -> None:
    """Write a line of each offender, up to LINES_MAX, and one of how many more there are."""
    offenders = [each for each in found.details if each["fault"] not in _ASKED_OF_A_PERSON]
    for offender in offenders[:LINES_MAX]:
        _log.warning("discrepancy_found", **_ids_of(offender))
    more = len(offenders) - LINES_MAX + found.details_left_out
    if more > 0 and offenders:
        _log.warning("discrepancies_left_out", at_most=more)


def _ids_of(offender: Mapping[str, Any]) -> dict[str, Any]:
    fields = {
        "fault": offender["fault"],
        "reason": offender["reason"],
        "event_id": offender.get("event_id") or offender.get("source_event_id"),
        "aggregate_type": offender.get("kind"),
        "aggregate_id": offender.get("subject") or offender.get("aggregate_id"),
        "ledger_id": offender.get("ledger_id"),
        "exception_id": offender.get("exception_id"),
    }
    return {name: value for name, value in fields.items() if value is not None}
