from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from schemas.records import CompletedFact, Payable
from stream_processors.billing.facts import Fact
from stream_processors.billing.payables import withdrawn
from tests.unit.billing_records import (
    at,
    completed,
    decide_on_package,
    evaluated,
    event_id,
    in_package,
    standing,
    voided,
)


def _payable(*facts: Fact) -> Payable:
    payable = decide_on_package(*facts).owed
    assert isinstance(payable, Payable)
    return payable


def _of_sessions(*numbers: int, total: int = 2, **changes: Any) -> list[CompletedFact]:
    """Event n completes session-n, n minutes after noon."""
    return [
        in_package(number, f"session-{number}", total, completed_at=at(number), **changes)
        for number in numbers
    ]


def test_a_complete_package_is_owed_for_once_by_its_code() -> None:
    assert decide_on_package(*_of_sessions(1, 2)).owed == Payable(
        ledger_id="1fb3e829-e583-5670-9741-1013f27f91a1",
        kind="package",
        mentor_id="mentor-1",
        contract_id="contract-1",
        student_id="student-1",
        session_id=None,
        service_package_id="package-1",
        price_code="course",
        occurred_at=at(2),
        source_event_id=event_id(2),
        session_ids=("session-1", "session-2"),
    )


def test_nothing_is_owed_until_every_session_is_done() -> None:
    for done in range(10):
        assert decide_on_package(*_of_sessions(*range(1, done + 1), total=10)).owed is None

    assert decide_on_package(*_of_sessions(*range(1, 11), total=10)).owed is not None


def test_any_order_of_arrival_gives_the_same() -> None:
    facts: list[Fact] = [*_of_sessions(1, 2, 3), evaluated(4, "session-1")]
    decisions = {decide_on_package(*order) for order in permutations(facts)}

    assert len(decisions) == 1


def test_two_events_of_one_session_do_not_make_two_sessions() -> None:
    decision = decide_on_package(in_package(1), in_package(2), in_package(3))

    assert decision.owed is None
    assert standing(decision) == set()


def test_a_session_that_waits_for_its_evaluation_does_not_count() -> None:
    facts: list[Fact] = [
        in_package(1, "session-1", required_evaluation=True),
        in_package(2, "session-2"),
    ]

    assert decide_on_package(*facts).owed is None
    assert decide_on_package(*facts, evaluated(3, "session-1")).owed is not None


def test_a_package_occurred_when_the_latest_of_its_members_became_billable() -> None:
    payable = _payable(
        in_package(1, "session-1", required_evaluation=True),
        evaluated(2, "session-1", minutes=90),
        in_package(3, "session-2", completed_at=at(60)),
    )

    assert (payable.occurred_at, payable.source_event_id) == (at(90), event_id(2))


def test_an_evaluation_that_was_not_required_does_not_date_a_package() -> None:
    payable = _payable(*_of_sessions(1, 2), evaluated(3, "session-1", minutes=90))

    assert (payable.occurred_at, payable.source_event_id) == (at(2), event_id(2))


def test_on_a_tie_the_greatest_session_id_names_the_event() -> None:
    payable = _payable(
        in_package(1, "session-b", completed_at=at(7)),
        in_package(2, "session-a", completed_at=at(7)),
    )

    assert payable.source_event_id == event_id(1)
    assert payable.session_ids == ("session-a", "session-b")


def test_the_terms_are_those_of_the_smallest_event() -> None:
    facts: list[Fact] = [
        in_package(1, "session-1", 1, mentor_id="mentor-1"),
        in_package(2, "session-2", 2, mentor_id="mentor-2"),
        in_package(3, "session-3", 2, mentor_id="mentor-2"),
    ]

    payable = _payable(*facts)
    assert (payable.mentor_id, payable.session_ids) == ("mentor-1", ("session-1",))
    assert standing(decide_on_package(*facts)) == {
        ("package_conflict", event_id(2)),
        ("package_conflict", event_id(3)),
    }


def test_the_terms_hold_also_while_their_session_is_not_billable() -> None:
    decision = decide_on_package(
        in_package(1, "session-1", 1, required_evaluation=True),
        in_package(2, "session-2", 1, mentor_id="mentor-2"),
    )

    assert decision.owed == withdrawn("package", "package-1", event_id(1))
    assert standing(decision) == {("package_conflict", event_id(2))}


@pytest.mark.parametrize(
    ("term", "value"),
    [
        ("mentor_id", "mentor-2"),
        ("contract_id", "contract-2"),
        ("student_id", "student-2"),
        ("package_code", "seminar"),
        ("package_total_sessions", 1),
    ],
)
def test_a_session_with_other_terms_does_not_count_and_is_a_conflict(term: str, value: Any) -> None:
    first, second = _of_sessions(1, 2)
    decision = decide_on_package(first, replace(second, **{term: value}))

    assert not isinstance(decision.owed, Payable)
    assert standing(decision) == {("package_conflict", event_id(2))}
    [report] = [report for report in decision.reports if report.standing]
    assert report.subject == "package-1"
    assert f"another {term} than event {event_id(1)}" in report.error


@pytest.mark.parametrize(
    ("field", "value"),
    [("session_type", "double"), ("completed_at", at(99)), ("required_evaluation", True)],
)
def test_what_is_no_term_may_differ_between_the_sessions(field: str, value: Any) -> None:
    first, second = _of_sessions(1, 2)
    decision = decide_on_package(
        first, replace(second, **{field: value}), evaluated(3, "session-2")
    )

    assert isinstance(decision.owed, Payable)
    assert standing(decision) == set()


def test_the_members_are_the_smallest_by_completed_event_and_one_beyond_is_exceeded() -> None:
    facts: list[Fact] = [
        in_package(3, "session-a"),
        in_package(1, "session-b"),
        in_package(2, "session-c"),
        in_package(4, "session-d"),
    ]
    decision = decide_on_package(*facts)

    assert isinstance(decision.owed, Payable)
    assert decision.owed.session_ids == ("session-b", "session-c")
    assert standing(decision) == {
        ("package_exceeded", event_id(3)),
        ("package_exceeded", event_id(4)),
    }
    errors = [report.error for report in decision.reports if report.standing]
    assert errors[0].startswith(
        "package package-1 has 2 sessions and session session-a is one more"
    )


def test_a_session_not_yet_billable_neither_is_a_member_nor_exceeds() -> None:
    waiting = in_package(1, "session-1", required_evaluation=True)
    facts: list[Fact] = [waiting, *_of_sessions(2, 3)]

    before = decide_on_package(*facts)
    after = decide_on_package(*facts, evaluated(9, "session-1"))

    assert isinstance(before.owed, Payable)
    assert before.owed.session_ids == ("session-2", "session-3")
    assert standing(before) == set()
    assert isinstance(after.owed, Payable)
    assert after.owed.session_ids == ("session-1", "session-2")
    assert standing(after) == {("package_exceeded", event_id(3))}


def test_where_a_member_is_voided_the_one_beyond_takes_its_place() -> None:
    decision = decide_on_package(*_of_sessions(1, 2, 3), voided(4, named=1, session_id="session-1"))

    assert isinstance(decision.owed, Payable)
    assert decision.owed.session_ids == ("session-2", "session-3")
    assert standing(decision) == set()
    withdrawn = {(each.reason, each.source_event_id) for each in decision.reports}
    assert ("package_exceeded", event_id(3)) in withdrawn


def test_where_the_terms_are_voided_the_next_smallest_event_gives_them() -> None:
    facts: list[Fact] = [
        in_package(1, "session-1", 1, mentor_id="mentor-1"),
        in_package(2, "session-2", 1, mentor_id="mentor-2"),
        voided(3, named=1, session_id="session-1"),
    ]
    decision = decide_on_package(*facts)

    assert isinstance(decision.owed, Payable)
    assert decision.owed.mentor_id == "mentor-2"
    assert standing(decision) == set()


def test_where_all_is_voided_every_report_is_withdrawn() -> None:
    facts: list[Fact] = [
        in_package(1, "session-1", 1),
        in_package(2, "session-2", 1, mentor_id="mentor-2"),
        voided(3, named=1, session_id="session-1"),
        voided(4, named=2, session_id="session-2"),
    ]
    decision = decide_on_package(*facts)

    assert decision.owed == withdrawn("package", "package-1", event_id(4))
    assert {(each.reason, each.source_event_id, each.standing) for each in decision.reports} == {
        (reason, event_id(number), False)
        for reason in ("package_conflict", "package_exceeded")
        for number in (1, 2)
    }


def test_a_session_whose_counting_event_names_another_package_is_no_member() -> None:
    elsewhere = in_package(1, "session-1", service_package_id="package-2")
    here = in_package(2, "session-1")

    decision = decide_on_package(elsewhere, here, *_of_sessions(3))

    assert decision.owed == withdrawn("package", "package-1", event_id(2))
    assert standing(decision) == set()


def test_a_session_whose_counting_event_names_no_package_is_no_member() -> None:
    decision = decide_on_package(completed(1), in_package(2, total=1))

    assert decision.owed == withdrawn("package", "package-1", event_id(2))


def test_a_package_one_short_by_a_void_is_owed_no_more() -> None:
    facts = _of_sessions(1, 2)
    assert isinstance(decide_on_package(*facts).owed, Payable)

    void = voided(3, named=1, session_id="session-1")
    assert decide_on_package(*facts, void).owed == withdrawn("package", "package-1", event_id(3))


def test_a_package_that_never_had_sessions_enough_is_not_taken_back() -> None:
    first, second = _of_sessions(1, 2, total=3)
    void = voided(4, named=1, session_id="session-1")
    assert decide_on_package(first, second, void).owed is None


def test_the_terms_of_an_event_that_does_not_count_do_not_hold() -> None:
    """Event 2 names the package first, but event 1 is the one that counts for its session."""
    decision = decide_on_package(
        completed(1, "session-1"),
        in_package(2, "session-1", 1, mentor_id="mentor-2"),
        in_package(3, "session-3", 1),
    )

    assert isinstance(decision.owed, Payable)
    assert (decision.owed.mentor_id, decision.owed.session_ids) == (
        "mentor-1",
        ("session-3",),
    )


def test_an_uncontested_package_reports_nothing() -> None:
    assert decide_on_package().reports == ()
    assert decide_on_package(*_of_sessions(1, 2)).reports == ()
    assert decide_on_package(completed(1)).reports == ()


def test_a_report_rests_on_all_facts_of_the_package() -> None:
    decision = decide_on_package(*_of_sessions(1, 2, 3), evaluated(4, "session-1"))

    assert {report.basis for report in decision.reports} == {4}
