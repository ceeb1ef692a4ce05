"""What the scheduler logs of a reconciliation that found something wrong."""

from datetime import UTC, datetime
from typing import Any

from structlog.testing import capture_logs

from operations.reconcile.comparison import OutcomeCount
from operations.reconcile.report import reconciliation
from operations.scheduler.offenders import LINES_MAX, log_offenders

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _lines(outcome: str, *details: dict[str, Any], amount: int = 0) -> list[dict[str, Any]]:
    count = OutcomeCount(
        section="offender",
        outcome=outcome,
        reason="reason",
        amount=amount or len(details),
        first_at=AT,
        details=list(details),
    )
    with capture_logs() as lines:
        log_offenders(reconciliation([count]))
    return [dict(line) for line in lines]


MISSING = {
    "kind": "session",
    "subject": "session-1",
    "mentor_id": "mentor-1",
    "source_event_id": "event-1",
    "ledger_id": None,
}


def test_a_missing_bill_is_named_by_its_event_and_subject_and_not_by_its_person() -> None:
    assert _lines("missing", MISSING) == [
        {
            "log_level": "warning",
            "event": "discrepancy_found",
            "fault": "missing",
            "reason": "reason",
            "event_id": "event-1",
            "aggregate_type": "session",
            "aggregate_id": "session-1",
        }
    ]


def test_an_undelivered_event_is_named_by_its_own_id() -> None:
    [line] = _lines("undelivered", {"event_id": "event-2", "aggregate_id": "session-2"})

    assert (line["event_id"], line["aggregate_id"]) == ("event-2", "session-2")


def test_what_has_an_exception_of_its_own_is_not_said_again_each_minute() -> None:
    assert _lines("failed", MISSING) == _lines("conflict", MISSING) == []


def test_many_offenders_are_counted_after_the_first() -> None:
    lines = _lines("missing", *([MISSING] * (LINES_MAX + 5)), amount=1_000)

    assert [line["event"] for line in lines] == [
        *["discrepancy_found"] * LINES_MAX,
        "discrepancies_left_out",
    ]
    assert lines[-1]["at_most"] == 1_000 - LINES_MAX
