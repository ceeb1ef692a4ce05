from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer_app.domain import (
    Contract,
    Entitlement,
    Service,
    ServicePackage,
    Session,
    SessionRequest,
    User,
)
from producer_app.refusals import (
    ContractAlreadyActivated,
    ContractNotActivated,
    ContractTermsInvalid,
    DomainRefusal,
    EvaluationAlreadyRecorded,
    MentorNotOfPackage,
    NoEntitlementLeft,
    SessionAlreadyCompleted,
    SessionAlreadyEnded,
    SessionEndsBeforeStart,
    SessionNotEnded,
)
from schemas.records import (
    ContractActivated,
    ContractSigned,
    ServiceConsumed,
    ServiceQuantity,
    SessionCompleted,
    SessionEvaluated,
    UserSignup,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PACKAGE = ServicePackage(
    service_package_id="package-1", package_code="package-10", mentor_id="mentor-1"
)
SINGLES = Service(session_type="mentoring", quantity=2)
BUNDLE = Service(session_type="intensive", quantity=10, package=PACKAGE)


def a_contract() -> Contract:
    return Contract(contract_id="contract-1", student_id="student-1", signed_at=NOON)


def an_active_contract() -> Contract:
    contract = a_contract()
    contract.activate(NOON)
    return contract


def a_request(mentor_id: str = "mentor-1", required_evaluation: bool = False) -> SessionRequest:
    return SessionRequest(
        session_id="session-1",
        contract_id="contract-1",
        mentor_id=mentor_id,
        session_type="mentoring",
        required_evaluation=required_evaluation,
    )


def a_running_session(service: Service = SINGLES) -> tuple[Session, Entitlement]:
    entitlement = Entitlement.grant("contract-1", service)
    return Session.start(a_request(), an_active_contract(), entitlement, NOON), entitlement


def an_ended_session(service: Service = SINGLES) -> tuple[Session, Entitlement]:
    session, entitlement = a_running_session(service)
    session.end(NOON + timedelta(minutes=45))
    return session, entitlement


def test_signing_grants_every_service_in_full_and_says_so() -> None:
    granted, event = a_contract().sign([SINGLES, BUNDLE])
    assert [(one.session_type, one.granted, one.remaining) for one in granted] == [
        ("mentoring", 2, 2),
        ("intensive", 10, 10),
    ]
    assert event == ContractSigned(
        contract_id="contract-1",
        student_id="student-1",
        signed_at=NOON,
        services=(ServiceQuantity("mentoring", 2), ServiceQuantity("intensive", 10)),
    )


def test_a_package_has_as_many_sessions_as_its_service_grants() -> None:
    entitlement = Entitlement.grant("contract-1", BUNDLE)
    assert entitlement.service_package_id == "package-1"
    assert entitlement.package_code == "package-10"
    assert entitlement.package_total_sessions == 10
    assert entitlement.package_mentor_id == "mentor-1"


@pytest.mark.parametrize(
    ("services", "reason"),
    [
        ([], "no services"),
        ([Service(session_type="mentoring", quantity=0)], "0 sessions of type 'mentoring'"),
        ([SINGLES, SINGLES], "'mentoring' twice"),
    ],
)
def test_unsound_terms_are_refused_with_their_reason(services: list[Service], reason: str) -> None:
    with pytest.raises(ContractTermsInvalid, match=reason):
        a_contract().sign(services)


def test_activating_a_contract_opens_it_and_says_so() -> None:
    contract = a_contract()
    event = contract.activate(NOON)
    assert event == ContractActivated(contract_id="contract-1", activated_at=NOON)
    contract.require_activated()


def test_a_contract_is_activated_once() -> None:
    contract = an_active_contract()
    with pytest.raises(ContractAlreadyActivated):
        contract.activate(NOON + timedelta(days=1))
    assert contract.activated_at == NOON


def test_a_session_of_a_contract_that_is_only_signed_is_refused() -> None:
    entitlement = Entitlement.grant("contract-1", SINGLES)
    with pytest.raises(ContractNotActivated, match="contract-1"):
        Session.start(a_request(), a_contract(), entitlement, NOON)


def test_starting_a_session_reserves_nothing() -> None:
    _, entitlement = a_running_session()
    assert entitlement.remaining == 2


def test_a_session_without_an_entitlement_left_is_not_started() -> None:
    entitlement = Entitlement.grant("contract-1", SINGLES)
    entitlement.remaining = 0
    with pytest.raises(NoEntitlementLeft, match="all 2 of its 'mentoring'"):
        Session.start(a_request(), an_active_contract(), entitlement, NOON)


def test_another_mentor_can_not_hold_a_session_of_a_package() -> None:
    entitlement = Entitlement.grant("contract-1", BUNDLE)
    with pytest.raises(MentorNotOfPackage, match="'mentor-2' can't hold"):
        Session.start(a_request(mentor_id="mentor-2"), an_active_contract(), entitlement, NOON)


def test_any_mentor_can_hold_a_single_session() -> None:
    entitlement = Entitlement.grant("contract-1", SINGLES)
    request = a_request(mentor_id="mentor-2")
    assert Session.start(request, an_active_contract(), entitlement, NOON).mentor_id == "mentor-2"


def test_a_session_ends_once() -> None:
    session, _ = an_ended_session()
    with pytest.raises(SessionAlreadyEnded):
        session.end(NOON + timedelta(hours=2))
    assert session.ended_at == NOON + timedelta(minutes=45)


def test_a_session_can_not_end_before_it_started() -> None:
    session, _ = a_running_session()
    with pytest.raises(SessionEndsBeforeStart, match="11:59"):
        session.end(NOON - timedelta(minutes=1))
    assert session.ended_at is None


def test_completing_a_session_consumes_one_entitlement_and_says_both() -> None:
    session, entitlement = an_ended_session()
    completed_at = NOON + timedelta(hours=1)
    assert session.complete(entitlement, completed_at) == (
        ServiceConsumed(
            contract_id="contract-1",
            session_id="session-1",
            session_type="mentoring",
            quantity=1,
            remaining=1,
        ),
        SessionCompleted(
            session_id="session-1",
            contract_id="contract-1",
            mentor_id="mentor-1",
            student_id="student-1",
            session_type="mentoring",
            required_evaluation=False,
            completed_at=completed_at,
            duration_minutes=45.0,
        ),
    )
    assert entitlement.remaining == 1
    assert session.completed_at == completed_at


def test_a_completed_session_of_a_package_carries_the_package_terms() -> None:
    session, entitlement = an_ended_session(BUNDLE)
    _, completed = session.complete(entitlement, NOON + timedelta(hours=1))
    assert completed.service_package_id == "package-1"
    assert completed.package_code == "package-10"
    assert completed.package_total_sessions == 10


def test_a_running_session_can_not_be_completed_and_consumes_nothing() -> None:
    session, entitlement = a_running_session()
    with pytest.raises(SessionNotEnded):
        session.complete(entitlement, NOON)
    assert (entitlement.remaining, session.completed_at) == (2, None)


def test_a_session_completed_twice_consumes_once() -> None:
    session, entitlement = an_ended_session()
    session.complete(entitlement, NOON + timedelta(hours=1))
    with pytest.raises(SessionAlreadyCompleted):
        session.complete(entitlement, NOON + timedelta(hours=2))
    assert entitlement.remaining == 1
    assert session.completed_at == NOON + timedelta(hours=1)


def test_a_session_that_finds_no_entitlement_left_stays_uncompleted() -> None:
    session, entitlement = an_ended_session()
    entitlement.remaining = 0
    with pytest.raises(NoEntitlementLeft):
        session.complete(entitlement, NOON + timedelta(hours=1))
    assert session.completed_at is None


@settings(deadline=None)  # a busy machine is no falsification
@given(granted=st.integers(1, 20), sessions=st.integers(0, 30))
def test_no_more_sessions_complete_than_were_granted(granted: int, sessions: int) -> None:
    entitlement = Entitlement.grant("c", Service(session_type="mentoring", quantity=granted))
    left = []
    for number in range(sessions):
        if entitlement.remaining == 0:
            with pytest.raises(NoEntitlementLeft):
                entitlement.consume(f"session-{number}")
            continue
        left.append(entitlement.consume(f"session-{number}").remaining)
    assert left == list(range(granted - 1, granted - 1 - min(granted, sessions), -1))


@pytest.mark.parametrize(
    "make_session", [a_running_session, an_ended_session], ids=["running", "ended"]
)
def test_an_evaluation_may_come_before_the_completion(
    make_session: Callable[[], tuple[Session, Entitlement]],
) -> None:
    session, _ = make_session()
    evaluated_at = NOON + timedelta(minutes=50)
    assert session.evaluate(evaluated_at, rating=4.5) == SessionEvaluated(
        session_id="session-1", evaluated_at=evaluated_at, rating=4.5
    )
    assert session.completed_at is None


def test_the_first_evaluation_stands() -> None:
    session, _ = an_ended_session()
    session.evaluate(NOON, rating=None)
    with pytest.raises(EvaluationAlreadyRecorded):
        session.evaluate(NOON + timedelta(days=1), rating=1.0)
    assert session.evaluated_at == NOON


def test_signing_up_says_who_and_when() -> None:
    event = User(user_id="user-1", signed_up_at=NOON).sign_up()
    assert event == UserSignup(user_id="user-1", signed_up_at=NOON)


def test_every_refusal_says_what_to_do_next() -> None:
    for refusal in DomainRefusal.__subclasses__():
        names = refusal.__init__.__code__.co_varnames[1 : refusal.__init__.__code__.co_argcount]
        message = str(refusal(*[NOON if name.endswith("_at") else name for name in names]))
        assert names[0] in message, refusal
        assert message.count(". ") >= 1, refusal
        assert message.endswith("."), refusal
