"""Races and faults: the application's transactions on a real database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session as Transaction

from producer_app.domain import Service
from producer_app.outbox import EventRefused, record
from producer_app.refusals import (
    NoEntitlementLeft,
    SessionAlreadyCompleted,
)
from producer_app.service import MentoringService
from schemas.records import SessionCompleted, UserSignup
from tests.integration.producer.stories import (
    MENTORING,
    NOON,
    activate,
    hold,
    remaining,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection
    from sqlalchemy import Engine


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
