from typing import Any

from operations.history.chain import Subject, summary

COMPLETED = "services.session.completed"


def event(session: str, billing: str, **changes: Any) -> dict[str, Any]:
    return {
        "aggregate_type": "session",
        "aggregate_id": session,
        "event_type": COMPLETED,
        "billing": billing,
        "ledger_id": None,
        "missing": None,
        "last_error": None,
        "payload": {"completedAt": "2026-03-01T12:00:00Z"},
        **changes,
    }


def test_a_session_that_was_only_evaluated_waits_for_its_completion() -> None:
    rows = [event("s", "waiting_completion", event_type="services.session.evaluated")]
    assert summary(rows) == (
        "0 sessions completed, 0 bills: session s was evaluated and waits for its completion "
        "(waiting_completion)."
    )


def test_of_a_session_the_event_that_tells_why_is_told() -> None:
    rows = [event("s", "not_billable"), event("s", "retrying", last_error="no price")]
    assert "is retried (retrying): no price" in summary(rows)


def test_a_session_whose_events_were_voided_does_not_count() -> None:
    assert "does not count toward any bill" in summary([event("s", "not_billable")])


def test_a_long_list_is_cut_and_counted() -> None:
    text = summary([event(f"s{number}", "due") for number in range(25)])
    assert text.startswith("25 sessions completed, 0 bills: session s0 ")
    assert text.endswith("; and 5 more.")
    assert "s20" not in text


def test_one_is_said_in_the_singular() -> None:
    assert summary([event("s", "billed", ledger_id="l")]) == "1 session completed, 1 bill."


def test_a_subject_says_what_it_is() -> None:
    assert str(Subject(package="p-1")) == "package p-1"
