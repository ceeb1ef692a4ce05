from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from schemas.records import PackageSession, Payable, PayableWithdrawn
from stream_processors.billing.facts import Fact
from stream_processors.billing.payables import withdrawn
from stream_processors.billing.sessions import session_standing
from tests.unit.billing_records import (
    NOON,
    at,
    completed,
    decide,
    evaluated,
    event_id,
    in_package,
    session_facts,
    standing,
    voided,
)


def _payable(*facts: Fact) -> Payable:
    payable = decide(*facts).owed
    assert isinstance(payable, Payable)
    return payable


def nothing_owed(number: int) -> PayableWithdrawn:
    """Return that nothing is owed for the session because of the `number`th event."""
    return withdrawn("session", "session-1", event_id(number))


def test_a_completed_session_is_owed_for_by_its_type_to_its_mentor() -> None:
    assert decide(completed(1)).owed == Payable(
        ledger_id="e853806a-84ff-50e1-a61b-5c765a09e1d5",
        kind="session",
        mentor_id="mentor-1",
        contract_id="contract-1",
        student_id="student-1",
        session_id="session-1",
        service_package_id=None,
        price_code="single",
        occurred_at=NOON,
        source_event_id=event_id(1),
        session_ids=("session-1",),
    )


def test_nothing_is_owed_where_nothing_is_known() -> None:
    assert decide().owed is None
    assert decide().package_sessions == ()
    assert decide().reports == ()


def test_a_session_of_a_package_is_not_owed_for_by_itself() -> None:
    assert decide(in_package(1)).owed is None


def test_a_session_that_needs_no_evaluation_was_made_billable_by_its_completion() -> None:
    payable = _payable(completed(1, completed_at=at(5)))

    assert (payable.occurred_at, payable.source_event_id) == (at(5), event_id(1))


def test_a_session_that_needs_an_evaluation_waits_for_it() -> None:
    assert decide(completed(1, required_evaluation=True)).owed is None


def test_a_session_that_needs_an_evaluation_was_made_billable_by_it() -> None:
    payable = _payable(completed(1, required_evaluation=True), evaluated(2, minutes=45))

    assert (payable.occurred_at, payable.source_event_id) == (at(45), event_id(2))


def test_an_evaluation_may_come_before_the_completion() -> None:
    assert decide(evaluated(1)).owed is None

    payable = _payable(evaluated(1, minutes=-10), completed(2, required_evaluation=True))

    assert (payable.occurred_at, payable.source_event_id) == (at(-10), event_id(1))


def test_an_evaluation_of_a_session_that_needs_none_changes_nothing() -> None:
    without, with_one = decide(completed(1)), decide(completed(1), evaluated(2))

    assert with_one.owed == without.owed
    assert standing(with_one) == set()


@pytest.mark.parametrize("numbers", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_of_several_completed_events_the_one_with_the_smallest_id_counts(
    numbers: tuple[int, ...],
) -> None:
    payable = _payable(*(completed(number, mentor_id=f"mentor-{number}") for number in numbers))

    assert (payable.mentor_id, payable.source_event_id) == ("mentor-1", event_id(1))


@pytest.mark.parametrize("numbers", [(2, 3), (3, 2)])
def test_of_several_evaluated_events_the_one_with_the_smallest_id_counts(
    numbers: tuple[int, ...],
) -> None:
    payable = _payable(
        completed(1, required_evaluation=True),
        *(evaluated(number, minutes=number) for number in numbers),
    )

    assert (payable.occurred_at, payable.source_event_id) == (at(2), event_id(2))


def test_another_event_that_says_the_same_is_ignored() -> None:
    decision = decide(completed(1), completed(2), evaluated(3), evaluated(4))

    assert decision.owed == decide(completed(1)).owed
    assert standing(decision) == set()


def test_times_are_compared_as_instants() -> None:
    in_tokyo = datetime(2026, 3, 1, 21, tzinfo=timezone(timedelta(hours=9)))
    assert in_tokyo == NOON

    assert standing(decide(completed(1), completed(2, completed_at=in_tokyo))) == set()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("contract_id", "contract-2"),
        ("mentor_id", "mentor-2"),
        ("student_id", "student-2"),
        ("session_type", "double"),
        ("required_evaluation", True),
        ("completed_at", NOON + timedelta(microseconds=1)),
        ("service_package_id", "package-2"),
        ("package_code", "seminar"),
        ("package_total_sessions", 3),
    ],
)
def test_another_completed_event_that_says_otherwise_is_a_conflict(field: str, value: Any) -> None:
    decision = decide(in_package(1), replace(in_package(2), **{field: value}))

    assert standing(decision) == {("session_conflict", event_id(2))}
    [report] = [report for report in decision.reports if report.standing]
    assert report.subject == "session-1"
    assert f"differs in {field} from event {event_id(1)}" in report.error


def test_another_evaluated_event_that_says_otherwise_is_a_conflict() -> None:
    decision = decide(evaluated(1, minutes=30), evaluated(2, minutes=31))

    assert standing(decision) == {("session_conflict", event_id(2))}


def test_each_event_that_contradicts_the_one_that_counts_is_a_conflict_of_its_own() -> None:
    decision = decide(
        completed(1),
        completed(2, mentor_id="mentor-2"),
        completed(3),
        completed(4, mentor_id="mentor-2"),
    )

    assert standing(decision) == {
        ("session_conflict", event_id(2)),
        ("session_conflict", event_id(4)),
    }


def test_a_smaller_event_that_comes_late_turns_the_conflict_round() -> None:
    early = decide(completed(2), completed(3, mentor_id="mentor-2"))
    late = decide(
        completed(1, mentor_id="mentor-2"), completed(2), completed(3, mentor_id="mentor-2")
    )

    assert standing(early) == {("session_conflict", event_id(3))}
    assert standing(late) == {("session_conflict", event_id(2))}
    withdrawn = {report.source_event_id for report in late.reports if not report.standing}
    assert event_id(3) in withdrawn


def test_a_report_rests_on_all_facts_of_its_session_and_holds_the_event() -> None:
    decision = decide(completed(1), completed(2, mentor_id="mentor-2"), evaluated(3), voided(4, 9))

    [report] = [report for report in decision.reports if report.standing]
    assert report.basis == 4
    assert b'"mentor_id": "mentor-2"' in report.record
    assert b'"completed_at": "2026-03-01T12:00:00+00:00"' in report.record


def test_a_voided_event_counts_as_absent() -> None:
    assert decide(completed(1), voided(2, named=1)).owed == nothing_owed(2)
    assert decide(voided(1, named=2), completed(2)).owed == nothing_owed(1)


def test_where_the_first_event_is_voided_the_next_counts() -> None:
    decision = decide(completed(1), completed(2, mentor_id="mentor-2"), voided(3, named=1))

    assert isinstance(decision.owed, Payable)
    assert decision.owed.mentor_id == "mentor-2"
    assert standing(decision) == set()


def test_voiding_the_event_that_contradicts_withdraws_the_conflict() -> None:
    decision = decide(completed(1), completed(2, mentor_id="mentor-2"), voided(3, named=2))

    assert isinstance(decision.owed, Payable)
    assert decision.owed.mentor_id == "mentor-1"
    assert [(report.source_event_id, report.standing) for report in decision.reports] == [
        (event_id(1), False),
        (event_id(2), False),
    ]


def test_a_voided_event_contradicts_nothing_that_counts_after_it() -> None:
    decision = decide(
        completed(1),
        completed(2, mentor_id="mentor-2"),
        completed(3, mentor_id="mentor-2"),
        voided(4, named=1),
    )

    assert standing(decision) == set()


def test_where_the_evaluation_is_voided_the_session_waits_again() -> None:
    facts = (completed(1, required_evaluation=True), evaluated(2))

    assert decide(*facts, voided(3, named=2)).owed == nothing_owed(3)
    assert isinstance(decide(*facts, voided(3, named=2), evaluated(4)).owed, Payable)


def test_an_event_with_a_smaller_id_takes_back_what_was_owed_for_the_session_by_itself() -> None:
    assert decide(in_package(1), completed(2)).owed == nothing_owed(1)
    assert decide(completed(1, required_evaluation=True), completed(2)).owed == nothing_owed(1)


def test_what_was_never_owed_is_not_taken_back() -> None:
    assert decide(in_package(1), voided(2, named=1)).owed is None
    assert decide(completed(1, required_evaluation=True), voided(2, named=1)).owed is None
    assert decide(evaluated(1), voided(2, named=1)).owed is None


def test_where_every_event_is_voided_nothing_stands() -> None:
    decision = decide(
        completed(1), completed(2, mentor_id="mentor-2"), voided(3, named=1), voided(4, named=2)
    )

    assert decision.owed == nothing_owed(4)
    assert standing(decision) == set()


def test_voiding_an_unknown_event_changes_nothing() -> None:
    assert decide(completed(1), voided(2, named=7)).owed == decide(completed(1)).owed


def test_a_package_is_told_all_that_is_known_of_its_session() -> None:
    facts = (in_package(1), in_package(2, mentor_id="mentor-2"), evaluated(3), voided(4, named=2))

    assert decide(*facts).package_sessions == (
        PackageSession("package-1", "session-1", facts[:2], (facts[2],), (facts[3],)),
    )


def test_every_package_that_any_event_names_is_told_a_voided_one_included() -> None:
    decision = decide(
        completed(1),
        in_package(2, service_package_id="package-2"),
        in_package(3, service_package_id="package-1"),
        voided(4, named=2),
    )

    told = [session.service_package_id for session in decision.package_sessions]
    assert told == ["package-1", "package-2"]
    assert isinstance(decision.owed, Payable)


def test_a_session_of_no_package_tells_none() -> None:
    assert decide(completed(1)).package_sessions == ()
    assert decide(evaluated(1), voided(2, named=1)).package_sessions == ()


def test_a_session_that_is_not_billable_was_made_so_by_nothing() -> None:
    for facts in (session_facts(), session_facts(completed(1, required_evaluation=True))):
        assert not session_standing(facts).billable
        with pytest.raises(ValueError, match="nothing made the session"):
            _ = session_standing(facts).made_billable_by


def test_times_of_reports_are_in_utc() -> None:
    in_tokyo = datetime(2026, 3, 1, 21, tzinfo=timezone(timedelta(hours=9)))
    decision = decide(completed(1, mentor_id="mentor-2"), completed(2, completed_at=in_tokyo))

    assert NOON.tzinfo is UTC
    assert all(b"2026-03-01T12:00:00+00:00" in report.record for report in decision.reports)
