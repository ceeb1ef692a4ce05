"""Upgrades as docs/operations/upgrades.md describes them, while an application writes."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from infra.local.layout import Layout, project_directory
from tests.end_to_end.books import Books, opened_books
from tests.running_stack import RunningStack, running_stack, session_port_base
from tests.waiting import wait_until

PORTS_AFTER_THE_SESSIONS = 300
WORKERS = 2
PARTITIONS = 8

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    """A stack of this file's own: its topics become larger."""
    base = session_port_base() + PORTS_AFTER_THE_SESSIONS
    layout = Layout(Path(project_directory()) / f".outbox-test-upgrades-{base}", base)
    with running_stack(layout, WORKERS) as running:
        yield running


@pytest.fixture
def books(stack: RunningStack) -> Iterator[Books]:
    with opened_books(stack) as opened:
        yield opened


@dataclass
class Writing:
    """An application that completes a session every 100 ms, and the sessions it completed."""

    url: str
    books: Books
    completed: list[str] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as application:
            while not self._stopping.wait(0.1):
                payload = self.books.completed(f"w{len(self.completed)}")
                application.execute(
                    "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload)"
                    " VALUES ('session', %s, 'services.session.completed', %s)",
                    [payload["sessionId"], json.dumps(payload)],
                )
                self.completed.append(payload["sessionId"])

    def stop(self) -> None:
        self._stopping.set()

    def wait_for_more(self, count: int) -> None:
        wanted = len(self.completed) + count
        wait_until("it goes on", lambda: len(self.completed), lambda seen: seen >= wanted)


@contextmanager
def writing(books: Books) -> Iterator[Writing]:
    """Write until the block ends; then wait until all of it is billed, once."""
    application = Writing(books.stack.address("app_database_url"), books)
    thread = threading.Thread(target=application.run)
    thread.start()
    try:
        yield application
    finally:
        application.stop()
        thread.join()
    wait_until(
        "every session that was completed meanwhile is billed once",
        lambda: sorted(str(bill["session_id"]) for bill in books.bills() if bill["session_id"]),
        lambda seen: set(application.completed) <= set(seen) and len(seen) == len(set(seen)),
        120,
    )


def ready(stack: RunningStack, name: str) -> None:
    wait_until(f"{name} works", lambda: stack.processes()[name], lambda each: each.is_well, 120)


def reconciled(stack: RunningStack) -> dict[str, Any]:
    code, printed, said = stack.outbox("reconcile", "--output", "json")
    assert code == 0, (printed, said)
    verdict: dict[str, Any] = json.loads(printed)
    return verdict


def longest_wait_seconds(books: Books) -> float:
    """From the insert of an event, which its id tells, to its row in the ledger."""
    [(longest,)] = books.owner.execute(
        "SELECT max(extract(epoch FROM ledger.posted_at - event.created_at)) "
        "FROM mentor_payable_ledgers AS ledger JOIN domain_events AS event "
        "ON event.id = ledger.source_event_id WHERE ledger.mentor_id = %s",
        [books.mentor],
    ).fetchall()
    return float(longest)


def test_workers_are_restarted_one_after_the_other_and_every_session_is_billed_once(
    books: Books,
) -> None:
    with writing(books) as application:
        for number in range(1, WORKERS + 1):
            name = f"worker-{number}"
            with books.stack.stopped(name):
                application.wait_for_more(10)
            ready(books.stack, name)
    sys.stderr.write(f"rolling restart: longest wait {longest_wait_seconds(books):.1f} s\n")
    assert reconciled(books.stack)["verdict"] == "clean"
    assert books.rows("SELECT * FROM billing_exceptions WHERE status <> 'resolved'") == []


def test_partitions_are_added_and_no_fact_of_before_is_forgotten(books: Books) -> None:
    """A session that waits for its evaluation, and a package of which two of three are done."""
    books.insert(books.completed("waits", requiredEvaluation=True))
    for number in range(2):
        books.insert(books.course(f"m{number}", 3))
    books.insert(books.completed("before"))
    books.wait_for_bills(1)

    began = time.monotonic()
    with writing(books):
        code, printed, said = books.stack.outbox(
            *("rebuild", "--replace", "--partitions", str(PARTITIONS), "--output", "json"),
            timeout=300,
        )
        assert code == 0, (printed, said)
    sys.stderr.write(f"partitions added, and read again: {time.monotonic() - began:.1f} s\n")

    books.evaluate("waits")
    books.insert(books.course("m2", 3))
    wait_until(
        "the evaluated session and the package are billed",
        lambda: {bill["session_id"] or bill["service_package_id"] for bill in books.bills()},
        lambda seen: {books.id("waits"), books.id("package")} <= seen,
        60,
    )
    assert reconciled(books.stack)["verdict"] == "clean"
    told = {"OUTBOX_TOPIC_PARTITIONS": str(PARTITIONS)}
    code, printed, said = books.stack.outbox("setup", "topics", settings=told)
    assert code == 0, (printed, said)
    code, printed, said = books.stack.outbox("rebuild", "--output", "json", timeout=300)
    assert code == 0, (printed, said)


def test_fewer_partitions_are_refused_and_nothing_is_changed(books: Books) -> None:
    code, _, said = books.stack.outbox("rebuild", "--replace", "--partitions", "2")
    assert code == 1
    assert "Nothing was changed" in said
