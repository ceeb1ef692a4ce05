"""The six risks of the platform's report, each closed by a test that names it.

Risk 2, that the business change and the event disagree, is also shown use case by use case in
tests/integration/test_producer_service.py.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
import pytest

from producer_app.database import connect, create_tables
from producer_app.domain import Service, SessionRequest
from producer_app.refusals import NoEntitlementLeft
from producer_app.service import MentoringService
from tests.end_to_end.books import Books
from tests.waiting import wait_until


@contextmanager
def held(books: Books, name: str) -> Iterator[None]:
    """Keep a process from doing anything, as a machine that swaps would."""
    process = books.stack.processes()[name]
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


def test_risk_1_no_billing_event_is_lost_while_the_connector_is_down(books: Books) -> None:
    connect_process = books.stack.processes()["connect"]
    assert connect_process.pid is not None
    os.kill(connect_process.pid, signal.SIGKILL)
    for number in range(50):
        books.insert(books.completed(f"s{number}"))
    assert len({bill["session_id"] for bill in books.wait_for_bills(50, seconds=120)}) == 50


def test_risk_2_a_refused_or_rolled_back_change_leaves_no_event_and_an_event_no_lone_change(
    books: Books,
) -> None:
    engine = connect(books.stack.address("app_database_url"))
    create_tables(engine)
    service = MentoringService(engine)
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    services = (Service(session_type="single", quantity=1),)
    service.sign_contract(books.contract, books.id("student"), services, at)
    service.activate_contract(books.contract, at)
    for session_id in (books.id("s1"), books.id("s2")):
        request = SessionRequest(
            session_id=session_id,
            contract_id=books.contract,
            mentor_id=books.mentor,
            session_type="single",
        )
        service.start_session(request, at)
        service.end_session(session_id, at)
    service.complete_session(books.id("s1"), at)
    with pytest.raises(NoEntitlementLeft):
        service.complete_session(books.id("s2"), at)
    engine.dispose()
    books.application.execute("BEGIN")
    books.insert(books.completed("s3"))
    books.application.execute("ROLLBACK")
    books.insert(books.completed("s4"))

    bills = books.wait_for_bills(2)
    assert {bill["session_id"] for bill in bills} == {books.id("s1"), books.id("s4")}


def test_risk_3_a_moments_fault_is_retried_and_does_not_become_permanent(books: Books) -> None:
    with psycopg.connect(books.stack.address("database_url")) as blocker:
        blocker.execute("LOCK TABLE mentor_prices IN ACCESS EXCLUSIVE MODE")
        event_id = books.insert(books.completed("s1"))
        exception = books.wait_for_exception(books.id("s1"), "timeout", "retrying")
        assert "lock" in exception["last_error"]
        blocker.rollback()
    books.wait_for_bills(1)
    books.wait_for_exception(books.id("s1"), "timeout", "resolved")
    assert books.status_of(event_id)["billing"] == "billed"


def test_risk_3_a_dry_pool_and_cut_connections_are_waited_out_without_an_exception(
    books: Books,
) -> None:
    with psycopg.connect(books.stack.address("admin_database_url"), autocommit=True) as admin:
        admin.execute("ALTER ROLE outbox_ledger_writer CONNECTION LIMIT 0")
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE usename = 'outbox_ledger_writer'"
        )
        try:
            books.insert(books.completed("s1"))
            time.sleep(2)
            assert books.bills() == []
        finally:
            admin.execute("ALTER ROLE outbox_ledger_writer CONNECTION LIMIT -1")
    books.wait_for_bills(1)
    assert books.exceptions(books.id("s1")) == []


def test_risk_4_no_blind_spot_what_is_pending_what_is_in_it_and_how_often_it_was_tried(
    books: Books,
) -> None:
    with held(books, "connect"):
        event_id = books.insert(books.completed("s1", mentorId=books.id("stranger")))
        pending = books.status_of(event_id)
        assert (pending["status"], pending["billing"]) == ("pending", "due")
        assert pending["payload"]["sessionId"] == books.id("s1")
        assert pending["published_at"] is None
    tried = wait_until(
        "it was tried again",
        lambda: books.status_of(event_id),
        is_so=lambda status: status["retry_count"] >= 1,
    )
    assert tried["billing"] == "retrying"
    assert tried["published_at"] is not None
    assert "mentor_prices" in tried["last_error"]


def test_risk_5_a_kill_with_fifty_events_in_flight_loses_nothing_that_was_in_memory(
    books: Books,
) -> None:
    pids = [books.stack.processes()[name].pid for name in ("worker-1", "ledger-writer")]
    with held(books, "connect"), books.application.transaction():
        for number in range(50):
            books.insert(books.course(f"s{number:02}", 25, f"package-{number % 2}"))
    for pid in pids:
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    bills = books.wait_for_bills(2)
    assert [len(bill["session_ids"]) for bill in bills] == [25, 25]
    assert len(books.bills()) == 2


def test_risk_6_one_that_fails_does_not_stop_the_others(books: Books) -> None:
    books.pretend(b"poison", books.id("s1"))
    books.insert(books.completed("s1", mentorId=books.id("stranger")))
    books.insert(books.completed("s2"))
    assert [bill["session_id"] for bill in books.wait_for_bills(1)] == [books.id("s2")]

    with held(books, "worker-1"):
        event_id = books.insert(books.completed("s3"))
        # No bill can be decided, and yet the receipts go on.
        wait_until(
            "the event is seen in Kafka",
            lambda: books.status_of(event_id)["status"],
            is_so=lambda status: status == "published",
        )
    books.wait_for_bills(2)
