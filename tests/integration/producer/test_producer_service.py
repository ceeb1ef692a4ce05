"""The application's use cases against a real, freshly migrated database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from producer_app.domain import Service, ServicePackage, SessionRequest
from producer_app.refusals import (
    ContractAlreadyActivated,
    ContractAlreadySigned,
    ContractNotActivated,
    ContractUnknown,
    DomainRefusal,
    EvaluationAlreadyRecorded,
    NoEntitlementLeft,
    PackageAlreadySold,
    ServiceNotIncluded,
    SessionAlreadyCompleted,
    SessionAlreadyStarted,
    SessionNotEnded,
    SessionUnknown,
    UserAlreadySignedUp,
)
from tests.integration.producer.stories import (
    MENTORING,
    NOON,
    activate,
    hold,
    request,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection
    from sqlalchemy import Engine

    from producer_app.service import MentoringService


def test_a_session_from_contract_to_evaluation_leaves_its_events_in_order(
    service: MentoringService, events: Callable[[], list[dict[str, Any]]]
) -> None:
    activate(service)
    hold(service, "session-1")
    service.complete_session("session-1", NOON + timedelta(hours=1))
    service.evaluate_session("session-1", NOON + timedelta(hours=2), rating=4.5)
    assert [(e["event_type"], e["aggregate_type"], e["aggregate_id"]) for e in events()] == [
        ("contract.signed", "contract", "contract-1"),
        ("contract.activated", "contract", "contract-1"),
        ("service.consumed", "contract", "contract-1"),
        ("services.session.completed", "session", "session-1"),
        ("services.session.evaluated", "session", "session-1"),
    ]


def test_the_payload_of_a_completion_is_what_the_interface_says(
    service: MentoringService, events: Callable[[], list[dict[str, Any]]]
) -> None:
    activate(service)
    hold(service, "session-1")
    service.complete_session("session-1", NOON + timedelta(hours=1))
    payload = events()[-1]["payload"]
    completed_at = datetime.fromisoformat(payload.pop("completedAt"))
    assert completed_at == NOON + timedelta(hours=1)
    assert payload == {
        "sessionId": "session-1",
        "contractId": "contract-1",
        "mentorId": "mentor-1",
        "studentId": "student-1",
        "sessionType": "mentoring",
        "requiredEvaluation": False,
        "durationMinutes": 45,
    }


def test_a_package_session_carries_its_terms(
    service: MentoringService, events: Callable[[], list[dict[str, Any]]]
) -> None:
    package = ServicePackage(
        service_package_id="package-1", package_code="package-3", mentor_id="mentor-1"
    )
    activate(service, Service(session_type="bundle", quantity=3, package=package))
    hold(service, "session-1", "bundle")
    service.complete_session("session-1", NOON)
    payload = events()[-1]["payload"]
    assert payload["servicePackageId"] == "package-1"
    assert payload["packageCode"] == "package-3"
    assert payload["packageTotalSessions"] == 3


def test_a_completion_and_its_two_events_are_one_transaction(
    service: MentoringService, owner: Connection
) -> None:
    activate(service)
    hold(service, "session-1")
    service.complete_session("session-1", NOON)
    # xmin names the transaction that wrote a row.
    rows = owner.execute(
        "SELECT DISTINCT xmin::text FROM domain_events"
        " WHERE event_type IN ('service.consumed', 'services.session.completed')"
    ).fetchall()
    assert len(rows) == 1


def test_an_evaluation_is_recorded_before_the_completion(
    service: MentoringService, events: Callable[[], list[dict[str, Any]]]
) -> None:
    activate(service)
    hold(service, "session-1")
    service.evaluate_session("session-1", NOON)
    service.complete_session("session-1", NOON)
    assert [e["event_type"] for e in events() if e["aggregate_type"] == "session"] == [
        "services.session.evaluated",
        "services.session.completed",
    ]


def test_a_sign_up_leaves_its_event_once(
    service: MentoringService, events: Callable[[], list[dict[str, Any]]]
) -> None:
    service.sign_up_user("user-1", NOON)
    with pytest.raises(UserAlreadySignedUp):
        service.sign_up_user("user-1", NOON)
    assert [e["event_type"] for e in events()] == ["user.signup"]


def _activate_unknown(service: MentoringService) -> None:
    service.activate_contract("nowhere", NOON)


def _sign_twice(service: MentoringService) -> None:
    service.sign_contract("contract-1", "student-1", [MENTORING], NOON)


def _activate_twice(service: MentoringService) -> None:
    service.activate_contract("contract-1", NOON)


def _start_on_unknown_contract(service: MentoringService) -> None:
    service.start_session(
        SessionRequest(session_id="s", contract_id="c", mentor_id="m", session_type="t"), NOON
    )


def _start_before_activation(service: MentoringService) -> None:
    service.sign_contract("contract-2", "student-1", [MENTORING], NOON)
    service.start_session(
        SessionRequest(
            session_id="s", contract_id="contract-2", mentor_id="m", session_type="mentoring"
        ),
        NOON,
    )


def _start_what_is_not_included(service: MentoringService) -> None:
    service.start_session(request("session-9", "resume-review"), NOON)


def _start_twice(service: MentoringService) -> None:
    service.start_session(request("session-1"), NOON)


def _complete_while_running(service: MentoringService) -> None:
    service.start_session(request("session-9"), NOON)
    service.complete_session("session-9", NOON)


def _complete_twice(service: MentoringService) -> None:
    service.complete_session("session-1", NOON)


def _complete_unknown(service: MentoringService) -> None:
    service.complete_session("nowhere", NOON)


def _end_unknown(service: MentoringService) -> None:
    service.end_session("nowhere", NOON)


def _evaluate_twice(service: MentoringService) -> None:
    service.evaluate_session("session-1", NOON)


def _complete_without_entitlement(service: MentoringService) -> None:
    for session_id in ("session-8", "session-9"):
        service.start_session(request(session_id), NOON)
        service.end_session(session_id, NOON)
    service.complete_session("session-8", NOON)
    service.complete_session("session-9", NOON)


@pytest.mark.parametrize(
    ("attempt", "refusal", "events_before_it"),
    [
        (_activate_unknown, ContractUnknown, 0),
        (_sign_twice, ContractAlreadySigned, 0),
        (_activate_twice, ContractAlreadyActivated, 0),
        (_start_on_unknown_contract, ContractUnknown, 0),
        (_start_before_activation, ContractNotActivated, 1),
        (_start_what_is_not_included, ServiceNotIncluded, 0),
        (_start_twice, SessionAlreadyStarted, 0),
        (_complete_while_running, SessionNotEnded, 0),
        (_complete_twice, SessionAlreadyCompleted, 0),
        (_complete_unknown, SessionUnknown, 0),
        (_end_unknown, SessionUnknown, 0),
        (_evaluate_twice, EvaluationAlreadyRecorded, 0),
        (_complete_without_entitlement, NoEntitlementLeft, 2),
    ],
)
def test_a_refused_use_case_leaves_no_event(
    service: MentoringService,
    events: Callable[[], list[dict[str, Any]]],
    attempt: Callable[[MentoringService], None],
    refusal: type[DomainRefusal],
    events_before_it: int,
) -> None:
    activate(service)
    hold(service, "session-1")
    service.complete_session("session-1", NOON)
    service.evaluate_session("session-1", NOON)
    before = len(events())
    with pytest.raises(refusal):
        attempt(service)
    assert len(events()) == before + events_before_it


def test_a_package_id_is_sold_once_and_the_second_contract_is_not_signed(
    service: MentoringService, events: Callable[[], list[dict[str, Any]]], engine: Engine
) -> None:
    package = ServicePackage(service_package_id="p", package_code="package-3", mentor_id="m")
    sold = Service(session_type="bundle", quantity=3, package=package)
    service.sign_contract("contract-1", "student-1", [sold], NOON)
    with pytest.raises(PackageAlreadySold):
        service.sign_contract("contract-2", "student-1", [sold], NOON)
    assert len(events()) == 1
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM mentoring.contracts")) == 1
