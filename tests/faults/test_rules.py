"""The suite's own statement of what is billed, case by case as INTERFACE.md has it."""

from typing import Any

import pytest

from tests.faults.rules import (
    COMPLETED,
    EVALUATED,
    VOIDED,
    Bill,
    Expectation,
    PriceList,
    SessionEvent,
    expectation,
    instant,
)

NOON = "2026-03-01T12:00:00Z"
LATER = "2026-03-02T12:00:00+02:00"


def completed(event_id: str, session: str = "s", **changes: Any) -> tuple[str, SessionEvent]:
    payload = {
        "contractId": "c",
        "mentorId": "m",
        "studentId": "u",
        "sessionType": "single",
        "requiredEvaluation": False,
        "completedAt": NOON,
    }
    return session, SessionEvent(event_id, COMPLETED, {**payload, **changes})


def evaluated(event_id: str, session: str = "s", at: str = LATER) -> tuple[str, SessionEvent]:
    return session, SessionEvent(event_id, EVALUATED, {"evaluatedAt": at})


def voided(event_id: str, what: str, session: str = "s") -> tuple[str, SessionEvent]:
    return session, SessionEvent(event_id, VOIDED, {"eventId": what})


def of_package(event_id: str, session: str, total: int = 2, **changes: Any) -> Any:
    terms = {"servicePackageId": "p", "packageCode": "code", "packageTotalSessions": total}
    return completed(event_id, session, **{**terms, **changes})


def expected(*events: tuple[str, SessionEvent]) -> Expectation:
    sessions = sorted({session for session, _ in events})
    return expectation(
        (session, sorted((each for of, each in events if of == session), key=lambda each: each.id))
        for session in sessions
    )


def bill(*events: tuple[str, SessionEvent]) -> Bill:
    (only,) = expected(*events).bills.values()
    return only


def test_a_completed_session_is_billed_as_its_event_says() -> None:
    assert bill(completed("1")) == Bill(
        "session",
        "s",
        "m",
        "c",
        "u",
        "single",
        "2026-03-01T12:00:00.000000Z",
        "1",
        ("s",),
        same=frozenset({"1"}),
    )


def test_where_an_evaluation_is_required_it_makes_the_bill() -> None:
    assert expected(completed("1", requiredEvaluation=True)).bills == {}
    made = bill(completed("2", requiredEvaluation=True), evaluated("1"))
    assert (made.source_event_id, made.occurred_at) == ("1", "2026-03-02T10:00:00.000000Z")


def test_an_evaluation_that_is_not_required_changes_nothing() -> None:
    assert bill(completed("1"), evaluated("2")) == bill(completed("1"))


def test_of_several_completions_the_smallest_id_counts() -> None:
    found = expected(completed("1"), completed("2", mentorId="other"))
    assert found.bills["session/s"].mentor_id == "m"
    assert found.complaints == {("session_conflict", "s", "2")}
    assert found.contested == {"session/s"}


def test_one_that_says_the_same_otherwise_is_ignored() -> None:
    again = completed("2", completedAt="2026-03-01T14:00:00.0+02:00", durationMinutes=5)
    found = expected(completed("1"), again)
    assert found.complaints == set()
    assert found.bills["session/s"].source_event_id == "1"
    assert found.bills["session/s"].same == {"1", "2"}


def test_a_voided_event_counts_as_absent() -> None:
    assert expected(completed("1"), voided("2", "1")).bills == {}
    found = expected(completed("1"), voided("2", "1"), completed("3", mentorId="right"))
    assert found.bills["session/s"].mentor_id == "right"
    assert found.complaints == set()
    assert found.contested == {"session/s"}


def test_a_package_is_billed_once_when_all_are_billable_at_the_latest_of_them() -> None:
    assert expected(of_package("1", "a")).bills == {}
    made = bill(of_package("1", "a", completedAt=LATER), of_package("2", "b"))
    assert (made.kind, made.subject, made.price_code) == ("package", "p", "code")
    assert (made.source_event_id, made.session_ids) == ("1", ("a", "b"))


def test_on_a_tie_the_greatest_session_id_made_the_package_billable() -> None:
    assert bill(of_package("1", "b"), of_package("2", "a")).source_event_id == "1"


def test_a_session_with_other_terms_does_not_count() -> None:
    found = expected(of_package("1", "a"), of_package("2", "b", mentorId="other"))
    assert found.bills == {}
    assert found.complaints == {("package_conflict", "p", "2")}


def test_one_beyond_the_total_is_an_exception() -> None:
    found = expected(*(of_package(str(number), f"s{number}") for number in range(3)))
    assert found.bills["package/p"].session_ids == ("s0", "s1")
    assert found.complaints == {("package_exceeded", "p", "2")}


@pytest.mark.parametrize(
    ("effective_from", "amount_minor"),
    [("2026-03-01T12:00:00Z", 2), ("2026-03-01T12:00:00.000001Z", 1), ("2020-01-01T00:00:00Z", 2)],
)
def test_the_price_is_the_one_in_force_when_it_occurred(
    effective_from: str, amount_minor: int
) -> None:
    prices = PriceList()
    prices.add([("m", "single", 1, "USD", instant("2019-01-01T00:00:00Z"))])
    prices.add([("m", "single", 2, "USD", instant(effective_from))])
    found = prices.price(bill(completed("1")))
    assert found is not None
    assert found[0] == amount_minor


def test_before_the_first_price_there_is_none() -> None:
    assert PriceList().price(bill(completed("1"))) is None
