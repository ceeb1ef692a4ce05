from typing import Any

from operations.history.chain import Subject
from operations.history.summary import Summary, Unbilled, unbilled

COMPLETED = "services.session.completed"


def event(session: str, billing: str, **changes: Any) -> dict[str, Any]:
    return {
        "aggregate_id": session,
        "event_type": COMPLETED,
        "billing": billing,
        "missing": None,
        "last_error": None,
        "payload": {"completedAt": "2026-03-01T12:00:00Z"},
        **changes,
    }


def told(*events: dict[str, Any]) -> str:
    """What is said of the one session that these are about."""
    (session,) = unbilled(events, [events[0]["aggregate_id"]])
    return str(session)


def test_a_session_that_was_only_evaluated_waits_for_its_completion() -> None:
    evaluated = event("s", "waiting_completion", event_type="services.session.evaluated")
    assert told(evaluated) == (
        "session s was evaluated and waits for its completion (waiting_completion)"
    )


def test_of_a_session_the_event_that_tells_why_is_told() -> None:
    events = event("s", "not_billable"), event("s", "retrying", last_error="no price")
    assert "is retried (retrying): no price" in told(*events)


def test_a_session_whose_events_were_voided_does_not_count() -> None:
    assert "does not count toward any bill" in told(event("s", "not_billable"))


def test_sessions_are_told_in_the_order_that_was_asked_for() -> None:
    events = [event("b", "due"), event("a", "due"), event("b", "not_billable")]
    assert [each.session_id for each in unbilled(events, ["a", "b"])] == ["a", "b"]


def test_a_long_list_is_cut_and_counted() -> None:
    first = [Unbilled(f"s{number}", None, "due", None) for number in range(20)]
    text = str(Summary(25, 25, 0, 25, first))
    assert text.startswith("25 sessions completed, 0 bills: session s0 ")
    assert text.endswith("; and 5 more.")


def test_one_is_said_in_the_singular() -> None:
    assert str(Summary(1, 1, 1, 0, [])) == "1 session completed, 1 bill."


def test_a_subject_says_what_it_is() -> None:
    assert str(Subject(package="p-1")) == "package p-1"
