"""The expectation is what the demo trusts, so each of its rules is stated here by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from producer_app.domain import Service, ServicePackage, SessionRequest
from producer_app.workload import (
    CompleteSession,
    EvaluateSession,
    ExpectedBill,
    Plan,
    Price,
    SignContract,
    StartSession,
    WaitingPackage,
    expectation,
    expected_bills,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SINGLES = Service(session_type="mentoring", quantity=5)
PACKAGE_OF_TWO = Service(
    session_type="bundle",
    quantity=2,
    package=ServicePackage(
        service_package_id="package", package_code="package-2", mentor_id="mentor"
    ),
)


def started(
    session_id: str, session_type: str = "mentoring", required: bool = False
) -> StartSession:
    request = SessionRequest(
        session_id=session_id,
        contract_id="contract",
        mentor_id="mentor",
        session_type=session_type,
        required_evaluation=required,
    )
    return StartSession(request=request, at=NOON)


def completed(session_id: str, at: datetime) -> CompleteSession:
    return CompleteSession(session_id=session_id, contract_id="contract", at=at)


def evaluated(session_id: str, at: datetime) -> EvaluateSession:
    return EvaluateSession(session_id=session_id, contract_id="contract", rating=5.0, at=at)


def price(code: str, amount_minor: int, effective_from: datetime) -> Price:
    return Price(
        mentor_id="mentor",
        price_code=code,
        amount_minor=amount_minor,
        currency="USD",
        effective_from=effective_from,
    )


def plan_of(*actions: StartSession | CompleteSession | EvaluateSession, **prices: object) -> Plan:
    signed = SignContract(
        contract_id="contract", student_id="student", services=(SINGLES, PACKAGE_OF_TWO), at=NOON
    )
    given = prices.get("prices", (price("mentoring", 100_00, NOON), price("package-2", 1, NOON)))
    assert isinstance(given, tuple)
    return Plan(run_id="run", seed=0, prices=given, late_prices=(), actions=(signed, *actions))


def test_a_completed_session_is_billed_when_it_completed() -> None:
    plan = plan_of(started("s"), completed("s", NOON + HOUR))
    assert expected_bills(plan) == [
        ExpectedBill(
            kind="session",
            mentor_id="mentor",
            contract_id="contract",
            student_id="student",
            session_id="s",
            service_package_id=None,
            price_code="mentoring",
            occurred_at=NOON + HOUR,
            session_ids=("s",),
            amount_minor=100_00,
            currency="USD",
            price_effective_from=NOON,
        )
    ]


def test_a_session_that_is_not_completed_is_not_billed() -> None:
    assert expected_bills(plan_of(started("s"))) == []


def test_a_session_that_requires_an_evaluation_waits_for_it() -> None:
    expected = expectation(plan_of(started("s", required=True), completed("s", NOON + HOUR)))
    assert (expected.bills, expected.waiting_evaluations) == ((), ("s",))


def test_a_session_that_requires_an_evaluation_is_billed_when_it_was_evaluated() -> None:
    plan = plan_of(
        started("s", required=True), completed("s", NOON + HOUR), evaluated("s", NOON + 3 * HOUR)
    )
    assert [bill.occurred_at for bill in expected_bills(plan)] == [NOON + 3 * HOUR]


def test_an_evaluation_before_the_completion_still_sets_the_time() -> None:
    plan = plan_of(
        started("s", required=True), evaluated("s", NOON + HOUR), completed("s", NOON + 2 * HOUR)
    )
    assert [bill.occurred_at for bill in expected_bills(plan)] == [NOON + HOUR]


def test_an_evaluated_session_waits_for_its_completion() -> None:
    expected = expectation(plan_of(started("s", required=True), evaluated("s", NOON + HOUR)))
    assert (expected.bills, expected.waiting_completions) == ((), ("s",))


def test_a_needless_evaluation_changes_nothing() -> None:
    plan = plan_of(started("s"), completed("s", NOON + HOUR), evaluated("s", NOON + 3 * HOUR))
    assert [bill.occurred_at for bill in expected_bills(plan)] == [NOON + HOUR]


def test_a_package_that_is_short_waits_and_its_sessions_are_not_billed() -> None:
    plan = plan_of(started("a", "bundle"), started("b", "bundle"), completed("a", NOON + HOUR))
    expected = expectation(plan)
    assert expected.bills == ()
    assert expected.waiting_packages == (
        WaitingPackage(
            service_package_id="package",
            contract_id="contract",
            billable_sessions=1,
            total_sessions=2,
        ),
    )


def test_a_whole_package_is_billed_once_at_its_latest_member() -> None:
    plan = plan_of(
        started("b", "bundle", required=True),
        started("a", "bundle"),
        completed("b", NOON + HOUR),
        completed("a", NOON + 2 * HOUR),
        evaluated("b", NOON + 3 * HOUR),
    )
    (bill,) = expected_bills(plan)
    assert (bill.kind, bill.service_package_id, bill.session_id) == ("package", "package", None)
    assert bill.occurred_at == NOON + 3 * HOUR
    assert bill.session_ids == ("a", "b")
    assert bill.price_code == "package-2"


def test_a_price_is_in_force_from_its_very_instant() -> None:
    prices = (price("mentoring", 1, NOON), price("mentoring", 2, NOON + HOUR))
    just_before = NOON + HOUR - timedelta(microseconds=1)
    plan = plan_of(
        started("a"),
        started("b"),
        completed("a", just_before),
        completed("b", NOON + HOUR),
        prices=prices,
    )
    assert [bill.amount_minor for bill in expected_bills(plan)] == [1, 2]


def test_a_bill_from_before_the_first_price_is_unpriced() -> None:
    prices = (price("mentoring", 1, NOON + 2 * HOUR),)
    expected = expectation(plan_of(started("a"), completed("a", NOON + HOUR), prices=prices))
    assert expected.bills == ()
    assert [bill.session_id for bill in expected.unpriced] == ["a"]


def test_totals_are_sums_by_mentor_and_currency() -> None:
    plan = plan_of(
        started("a"), started("b"), completed("a", NOON + HOUR), completed("b", NOON + HOUR)
    )
    assert expectation(plan).totals() == {("mentor", "USD"): 200_00}
