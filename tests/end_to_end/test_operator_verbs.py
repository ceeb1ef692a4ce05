"""What an operator does, on the whole stack: reconcile beside live traffic, retry, edit."""

import json
import os
import signal
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from operations.reconcile.positions import KafkaPositions
from operations.reconcile.reconciling import database, examine
from operations.reconcile.report import Reconciliation
from operations.reconcile.settings import ReconcileSettings
from tests.end_to_end.books import Books
from tests.waiting import wait_until

IMPATIENT = ReconcileSettings(wait_seconds=2, delivery_grace_seconds=1)
PATIENT = ReconcileSettings()


def reconciled(books: Books, since: datetime, patience: ReconcileSettings) -> Reconciliation:
    """What fell due since a test began: other tests leave their own discrepancies behind."""
    positions = KafkaPositions(books.stack.brokers, 10)
    with database(books.stack.address("database_url")) as connection:
        return examine(connection, positions, patience, (since, None)).found


@contextmanager
def held(books: Books, name: str) -> Iterator[None]:
    process = books.stack.processes()[name]
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


def test_reconciliation_beside_live_traffic_calls_nothing_missing_or_wrong(books: Books) -> None:
    began = datetime.now(UTC)
    stop = threading.Event()
    inserted = 0

    def traffic() -> None:
        nonlocal inserted
        url = books.stack.address("app_database_url")
        with psycopg.connect(url, autocommit=True) as connection:
            mine = Books(books.stack, books.owner, connection, books.name)
            while not stop.wait(0.01):
                needs_evaluation = inserted % 3 == 0
                mine.insert(
                    mine.course(
                        f"s{inserted}",
                        4,
                        f"package-{inserted // 4}",
                        requiredEvaluation=needs_evaluation,
                    )
                )
                if needs_evaluation:
                    mine.evaluate(f"s{inserted}")
                inserted += 1

    thread = threading.Thread(target=traffic)
    thread.start()
    try:
        found = [reconciled(books, began, PATIENT) for _ in range(4)]
    finally:
        stop.set()
        thread.join()
    for each in found:
        assert (each.missing, each.mismatched, each.undelivered, each.duplicate) == (0, 0, 0, 0)
    assert found[-1].billed > 0

    last = reconciled(books, began, PATIENT)
    assert (last.expected, last.billed, last.verdict) == (inserted // 4, inserted // 4, "clean")


def test_what_a_stopped_processor_has_not_passed_is_waiting_and_the_stage_is_named(
    books: Books,
) -> None:
    began = datetime.now(UTC)
    with held(books, "worker-1"):
        event_id = books.insert(books.completed("s1"))
        wait_until(
            "the event has its receipt",
            lambda: books.status_of(event_id)["status"],
            is_so=lambda status: status == "published",
        )
        found = reconciled(books, began, IMPATIENT)
    assert (found.missing, found.waiting_for) == (0, {"in_flight": 1})
    assert "sessions processor" in found.warnings[0]
    assert found.verdict == "discrepancy", "a stage that stands still is a fault"

    books.wait_for_bills(1)
    assert reconciled(books, began, PATIENT).verdict == "clean"


def test_an_event_that_never_reaches_kafka_is_undelivered(books: Books) -> None:
    began = datetime.now(UTC)
    with held(books, "connect"):
        event_id = books.insert(books.completed("s1"))
        wait_until(
            "it is undelivered",
            lambda: reconciled(books, began, IMPATIENT),
            is_so=lambda found: found.undelivered == 1 and event_id in str(found.details),
        )
    books.wait_for_bills(1)
    wait_until(
        "it is delivered",
        lambda: reconciled(books, began, IMPATIENT),
        is_so=lambda found: found.verdict == "clean",
    )


def test_a_record_that_could_not_be_read_is_billed_once_a_person_sent_it_edited(
    books: Books, tmp_path: Path
) -> None:
    position = books.pretend(b"{", books.id("s1"))
    exception = books.wait_for_exception(position, "undecodable", "failed")
    edited = tmp_path / "value.json"
    edited.write_text(json.dumps(books.completed("s1")))

    code, attempts = books.outbox_json(
        "exceptions", "retry", str(exception["id"]), "--edit-value", str(edited)
    )
    assert code == 0
    assert attempts[0]["became"].startswith("sent again as events.session[")
    books.wait_for_bills(1)
    resolved = books.wait_for_exception(position, "undecodable", "resolved")
    assert resolved["resolution"] == attempts[0]["became"]

    # The key decides the partition, here as everywhere.
    partition = position.partition("[")[2].partition("]")[0]
    assert attempts[0]["became"].startswith(f"sent again as events.session[{partition}]@")


def test_a_record_sent_again_as_it_was_fails_again_at_its_new_position(books: Books) -> None:
    position = books.pretend(b"{", books.id("s1"))
    exception = books.wait_for_exception(position, "undecodable", "failed")
    code, attempts = books.outbox_json("exceptions", "retry", str(exception["id"]))
    assert code == 0
    again = attempts[0]["became"].removeprefix("sent again as ")
    failed = books.wait_for_exception(again, "undecodable", "failed")
    headers = {header["name"]: header["value"] for header in failed["record"]["headers"]}
    assert headers["retried-from"] == position
    assert headers["eventType"] == "services.session.completed"


def test_a_retry_by_event_that_fails_again_says_so_and_a_dismissal_ends_it(books: Books) -> None:
    event_id = books.insert(books.completed("s1", mentorId=books.id("stranger")))
    books.wait_for_exception(books.id("s1"), "price_missing", "failed")

    code, attempts = books.outbox_json("exceptions", "retry", "--event", event_id)
    assert code == 1
    assert attempts[0]["became"] == "failed again"
    assert "mentor_prices" in attempts[0]["error"]

    code, _, said = books.stack.outbox(
        "exceptions", "dismiss", attempts[0]["id"], "--reason", "he left"
    )
    assert code == 0, said
    assert books.status_of(event_id)["billing"] == "dismissed"


def test_a_conflict_is_not_retried_and_the_way_out_is_named(books: Books) -> None:
    books.insert(books.completed("s1"))
    books.insert(books.completed("s1", sessionType="other"))
    conflict = books.wait_for_exception(books.id("s1"), "session_conflict", "failed")
    code, out, said = books.stack.outbox("exceptions", "retry", str(conflict["id"]))
    assert code == 1
    assert out == ""
    assert "outbox exceptions resolve --void" in said


def test_an_exception_is_listed_and_shown_with_its_record(books: Books) -> None:
    position = books.pretend(b"{", books.id("s1"))
    exception = books.wait_for_exception(position, "undecodable", "failed")
    code, rows = books.outbox_json("exceptions", "list", "--subject", position)
    assert (code, [row["id"] for row in rows]) == (0, [str(exception["id"])])
    code, shown = books.outbox_json("exceptions", "show", str(exception["id"]))
    assert (code, shown["record"]["value"]) == (0, "{")
    code, _, said = books.stack.outbox("exceptions", "show", str(uuid.uuid4()))
    assert code == 1
    assert "There is no exception" in said
