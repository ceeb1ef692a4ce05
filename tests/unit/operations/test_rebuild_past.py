"""How a session, and a package, stood: owed, or waiting for what."""

from datetime import UTC, datetime

import pytest

from operations.rebuild.past import standing_of_package, standing_of_session
from schemas.records import CompletedFact, EvaluatedFact, VoidedFact
from stream_processors.billing.facts import Fact

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def completed(session: str, event: str = "e1", **changes: object) -> CompletedFact:
    fields = {
        "event_id": event,
        "session_id": session,
        "contract_id": "c",
        "mentor_id": "m",
        "student_id": "s",
        "session_type": "single",
        "required_evaluation": False,
        "completed_at": NOON,
        **changes,
    }
    return CompletedFact(**fields)  # type: ignore[arg-type]


def member(session: str, event: str, **changes: object) -> CompletedFact:
    package = {"service_package_id": "p", "package_code": "course", "package_total_sessions": 2}
    return completed(session, event, **package, **changes)


EVALUATED = EvaluatedFact("e2", "s1", NOON)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([completed("s1")], "owed"),
        ([completed("s1", required_evaluation=True)], "evaluation"),
        ([completed("s1", required_evaluation=True), EVALUATED], "owed"),
        ([EVALUATED], "completion"),
        ([member("s1", "e1")], "member"),
        ([completed("s1"), VoidedFact("e3", "s1", "e1", "never took place")], "nothing"),
    ],
)
def test_a_session_is_owed_or_waits_for_what_it_lacks(facts: list[Fact], expected: str) -> None:
    assert standing_of_session("s1", facts)[0] == expected


def test_a_package_waits_until_all_its_sessions_are_billable_and_says_how_many_are() -> None:
    waiting = member("s2", "e3", required_evaluation=True)

    standing, row = standing_of_package("p", [member("s1", "e1"), waiting])

    assert standing == "package"
    assert (row["sessions_billable"], row["sessions_total"]) == (1, 2)
    assert row["sessions_known"] == ["s1", "s2"]
    evaluated = EvaluatedFact("e4", "s2", NOON)
    standing, row = standing_of_package("p", [member("s1", "e1"), waiting, evaluated])
    assert standing == "owed"
    assert row["session_ids"] == ["s1", "s2"]


def test_a_package_whose_only_session_was_voided_waits_for_nothing() -> None:
    voided = VoidedFact("e2", "s1", "e1", "entered twice")

    assert standing_of_package("p", [member("s1", "e1"), voided]) == ("nothing", {})
