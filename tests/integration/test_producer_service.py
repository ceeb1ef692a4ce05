"""The application's use cases against a real, freshly migrated database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import TYPE_CHECKING, Any, cast

import pytest
from psycopg.rows import dict_row
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session as Transaction

from producer_app.database import connect, create_tables
from producer_app.domain import Service, ServicePackage, SessionRequest
from producer_app.outbox import EventRefused, record
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
from producer_app.service import MentoringService
from schemas.records import SessionCompleted, UserSignup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg import Connection
    from sqlalchemy import Engine

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MENTORING = Service(session_type="mentoring", quantity=2)


@pytest.fixture
def engine(postgres_server: Any, application: Connection) -> Iterator[Engine]:
    database = application.info.dbname
    engine = connect(postgres_server.url("outbox_application", database), pool_size=8)
    create_tables(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def service(engine: Engine) -> MentoringService:
    return MentoringService(engine)


@pytest.fixture
def events(owner: Connection) -> Callable[[], list[dict[str, Any]]]:
    def read() -> list[dict[str, Any]]:
        with owner.cursor(row_factory=dict_row) as cursor:
            cursor.execute("SELECT * FROM domain_events ORDER BY id")
            return cursor.fetchall()

    return read


def request(session_id: str = "session-1", session_type: str = "mentoring") -> SessionRequest:
    return SessionRequest(
        session_id=session_id,
        contract_id="contract-1",
        mentor_id="mentor-1",
        session_type=session_type,
    )


def activate(service: MentoringService, *services: Service) -> None:
    service.sign_contract("contract-1", "student-1", services or (MENTORING,), NOON)
    service.activate_contract("contract-1", NOON)


def hold(service: MentoringService, session_id: str, session_type: str = "mentoring") -> None:
    service.start_session(request(session_id, session_type), NOON)
    service.end_session(session_id, NOON + timedelta(minutes=45))


def remaining(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT sum(remaining) FROM mentoring.entitlements")))


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


def test_two_completions_race_for_the_last_entitlement_and_one_wins(
    service: MentoringService, events: Callable[[], list[dict[str, Any]]], engine: Engine
) -> None:
    activate(service, Service(session_type="mentoring", quantity=1))
    session_ids = [f"session-{number}" for number in range(6)]
    for session_id in session_ids:
        hold(service, session_id)
    start = Barrier(len(session_ids))

    def complete(session_id: str) -> str:
        start.wait()
        try:
            service.complete_session(session_id, NOON)
        except NoEntitlementLeft:
            return "refused"
        return "completed"

    with ThreadPoolExecutor(len(session_ids)) as threads:
        outcomes = sorted(threads.map(complete, session_ids))
    assert outcomes == ["completed"] + ["refused"] * 5
    assert [e["event_type"] for e in events()[2:]] == [
        "service.consumed",
        "services.session.completed",
    ]
    assert remaining(engine) == 0


def test_the_same_completion_sent_twice_at_once_consumes_once(
    service: MentoringService, events: Callable[[], list[dict[str, Any]]], engine: Engine
) -> None:
    activate(service)
    hold(service, "session-1")
    start = Barrier(4)

    def complete(_: int) -> str:
        start.wait()
        try:
            service.complete_session("session-1", NOON)
        except SessionAlreadyCompleted:
            return "refused"
        return "completed"

    with ThreadPoolExecutor(4) as threads:
        outcomes = sorted(threads.map(complete, range(4)))
    assert outcomes == ["completed"] + ["refused"] * 3
    assert remaining(engine) == 1
    assert len(events()) == 4


def test_risk_2_a_refused_event_takes_the_business_change_with_it(
    engine: Engine, events: Callable[[], list[dict[str, Any]]]
) -> None:
    service = MentoringService(engine)
    activate(service)
    hold(service, "session-1")
    with engine.begin() as connection:
        connection.execute(text("UPDATE mentoring.sessions SET mentor_id = ''"))
    with pytest.raises(EventRefused, match=r"'session-1'.*mentorId"):
        service.complete_session("session-1", NOON)
    assert remaining(engine) == 2
    assert [e["event_type"] for e in events()] == ["contract.signed", "contract.activated"]
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT completed_at FROM mentoring.sessions")) is None


def test_risk_2_a_connection_lost_before_the_commit_leaves_nothing(
    service: MentoringService,
    engine: Engine,
    events: Callable[[], list[dict[str, Any]]],
    admin: Connection,
) -> None:
    activate(service)
    hold(service, "session-1")
    with Transaction(engine) as transaction:
        transaction.execute(text("UPDATE mentoring.entitlements SET remaining = 1"))
        record(transaction, UserSignup(user_id="user-1", signed_up_at=NOON))
        process = transaction.scalar(text("SELECT pg_backend_pid()"))
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", [process])
        with pytest.raises(OperationalError):
            transaction.commit()
    assert remaining(engine) == 2
    assert len(events()) == 2


def test_risk_2_a_use_case_works_on_after_its_connection_was_lost(
    service: MentoringService, events: Callable[[], list[dict[str, Any]]], admin: Connection
) -> None:
    activate(service)
    hold(service, "session-1")
    admin.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE usename = 'outbox_application' AND datname = current_database()"
    )
    service.complete_session("session-1", NOON)
    assert len(events()) == 4


def test_recording_an_event_never_commits(
    engine: Engine, events: Callable[[], list[dict[str, Any]]]
) -> None:
    with Transaction(engine) as transaction:
        record(transaction, UserSignup(user_id="user-1", signed_up_at=NOON))
        assert events() == []
        transaction.rollback()
    assert events() == []


def test_recording_keeps_the_trace_of_the_request(
    engine: Engine, events: Callable[[], list[dict[str, Any]]]
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with Transaction(engine) as transaction:
        record(transaction, UserSignup(user_id="user-1", signed_up_at=NOON), trace)
        transaction.commit()
    assert [e["traceparent"] for e in events()] == [trace]


def test_a_half_told_package_is_refused_by_the_database(engine: Engine) -> None:
    half = SessionCompleted(
        session_id="session-1",
        contract_id="contract-1",
        mentor_id="mentor-1",
        student_id="student-1",
        session_type="mentoring",
        required_evaluation=False,
        completed_at=NOON,
        service_package_id="package-1",
    )
    with Transaction(engine) as transaction, pytest.raises(EventRefused, match="package"):
        record(transaction, half)


def test_a_fault_that_is_no_refusal_comes_as_it_is(
    engine: Engine, owner: Connection, events: Callable[[], list[dict[str, Any]]]
) -> None:
    with Transaction(engine) as transaction:
        record(transaction, UserSignup(user_id="user-1", signed_up_at=NOON))
        transaction.commit()
    found = owner.execute("SELECT tableoid::regclass::text FROM domain_events").fetchone()
    assert found is not None
    owner.execute(f"CREATE UNIQUE INDEX ON {found[0]} (aggregate_id)")
    with Transaction(engine) as transaction, pytest.raises(IntegrityError, match="duplicate key"):
        record(transaction, UserSignup(user_id="user-1", signed_up_at=NOON))
    assert len(events()) == 1


def test_a_fault_that_is_no_taken_id_comes_as_it_is(service: MentoringService) -> None:
    with pytest.raises(IntegrityError, match="student_id"):
        service.sign_contract("contract-1", cast("str", None), [MENTORING], NOON)
