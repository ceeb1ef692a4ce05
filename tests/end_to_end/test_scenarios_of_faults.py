"""Scenarios 4 and 7 of the platform's report: everything restarts; reconciliation."""

import os
import signal
import threading
from datetime import UTC, datetime

import httpx
import psycopg
import pytest

from infra.local.credentials import load_credentials
from tests.end_to_end.books import Books
from tests.running_stack import RunningStack
from tests.waiting import wait_until


def kill_and_wait(stack: RunningStack, name: str) -> None:
    """Kill a process, and wait until it runs again as another one."""
    before = stack.processes()[name].pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    wait_until(
        f"{name} runs again as another process",
        lambda: stack.processes()[name],
        is_so=lambda process: process.healthy and process.pid != before,
        seconds=90,
    )


@pytest.mark.timeout(600)
def test_scenario_4_everything_restarts_in_mid_work_and_nothing_is_lost_or_billed_twice(
    books: Books,
) -> None:
    names = ["worker-1", "ledger-writer", "connect", "kafka", "postgres"]
    stop = threading.Event()
    inserted: list[str] = []

    def keep_inserting() -> None:
        url = books.stack.address("app_database_url")
        connection = None
        number = 0
        while not stop.is_set():
            try:
                connection = connection or psycopg.connect(url, autocommit=True)
                mine = Books(books.stack, books.owner, connection, books.name)
                mine.insert(mine.completed(f"s{number}"))
                inserted.append(mine.id(f"s{number}"))
                number += 1
                stop.wait(0.01)
            except psycopg.OperationalError:
                # The commit may have happened: an application asks, here the id is given up.
                connection, number = None, number + 1
                stop.wait(0.2)

    application = threading.Thread(target=keep_inserting)
    application.start()
    try:
        for name in names:
            kill_and_wait(books.stack, name)
    finally:
        stop.set()
        application.join()

    with psycopg.connect(books.stack.address("database_url"), autocommit=True) as owner:
        again = Books(books.stack, owner, owner, books.name)
        committed = again.rows(
            "SELECT aggregate_id FROM domain_events WHERE aggregate_id LIKE %s",
            f"{books.name}-%",
        )
        sessions = {row["aggregate_id"] for row in committed}
        assert sessions >= set(inserted)
        bills = again.wait_for_bills(len(sessions), seconds=120)
        assert sorted(bill["session_id"] for bill in bills) == sorted(sessions)


def test_scenario_7_reconciliation_names_a_bill_that_is_missing_and_is_clean_again_after(
    books: Books,
) -> None:
    began = datetime.now(UTC).isoformat()
    books.insert(books.completed("s1"))
    books.wait_for_bills(1)
    entry_id = books.bills()[0]["id"]

    with psycopg.connect(books.stack.address("admin_database_url")) as admin:
        for copy, original, column in (
            ("kept", "mentor_payable_ledgers", "id"),
            ("paid", "ledger_entry_sessions", "entry_id"),
        ):
            admin.execute(
                f"CREATE TEMP TABLE {copy} AS SELECT * FROM {original} WHERE {column} = "
                f"'{entry_id}'"
            )
        _without_triggers(
            admin,
            "DELETE FROM ledger_entry_sessions WHERE entry_id IN (SELECT id FROM kept)",
            "DELETE FROM mentor_payable_ledgers WHERE id IN (SELECT id FROM kept)",
        )
        code, found = books.outbox_json("reconcile", "--since", began)
        assert code == 1
        assert found["missing"] == 1
        assert found["verdict"] in {"discrepancy", "roll_back"}
        assert books.id("s1") in str(found["details"])

        _without_triggers(
            admin,
            "INSERT INTO mentor_payable_ledgers SELECT * FROM kept",
            "INSERT INTO ledger_entry_sessions SELECT * FROM paid",
        )
    _, found = books.outbox_json("reconcile", "--since", began)
    assert found["missing"] == 0


def _without_triggers(admin: psycopg.Connection, *statements: str) -> None:
    """What only a superuser can do."""
    triggers = admin.execute(
        "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal "
        "AND tgrelid IN ('mentor_payable_ledgers'::regclass, 'ledger_entry_sessions'::regclass)"
    ).fetchall()
    for table, trigger in triggers:
        admin.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
    for statement in statements:
        admin.execute(statement)
    for table, trigger in triggers:
        admin.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")
    admin.commit()


def test_a_connector_whose_task_failed_is_started_again_by_itself_once_its_cause_is_mended(
    books: Books,
) -> None:
    tasks = f"{books.stack.address('connect_url')}/connectors/outbox-events/tasks/0"

    def state() -> str:
        answer = httpx.get(f"{tasks}/status", timeout=30)
        return str(answer.json()["state"]) if answer.status_code == httpx.codes.OK else "unknown"

    credentials = load_credentials(books.stack.layout.secrets)
    assert credentials is not None
    with psycopg.connect(books.stack.address("admin_database_url"), autocommit=True) as admin:
        admin.execute("ALTER ROLE outbox_connector PASSWORD 'another'")
        try:
            httpx.post(f"{tasks}/restart", timeout=30)
            wait_until("the task has failed", state, is_so=lambda seen: seen == "FAILED")
            wait_until(
                "the status is red",
                lambda: books.stack.processes()["connector-keeper"],
                is_so=lambda process: not process.healthy,
            )
        finally:
            password = credentials.roles["outbox_connector"]
            admin.execute(f"ALTER ROLE outbox_connector PASSWORD '{password}'")
    books.insert(books.completed("s1"))
    books.wait_for_bills(1, seconds=90)
    wait_until(
        "the status is green",
        lambda: books.stack.processes()["connector-keeper"],
        is_so=lambda process: process.healthy,
    )


def test_a_connector_that_somebody_left_stopped_is_red_and_then_started_by_itself(
    books: Books,
) -> None:
    connector = f"{books.stack.address('connect_url')}/connectors/outbox-events"
    wait_until(
        "Connect takes it",  # 409 while it rebalances
        lambda: httpx.put(f"{connector}/stop", timeout=30),
        is_so=lambda answer: answer.is_success,
    )
    books.insert(books.completed("s1"))
    wait_until(
        "the status is red",
        lambda: books.stack.processes()["connector-keeper"],
        is_so=lambda process: not process.healthy,
    )
    books.wait_for_bills(1, seconds=90)
    wait_until(
        "the status is green",
        lambda: books.stack.processes()["connector-keeper"],
        is_so=lambda process: process.healthy,
    )
