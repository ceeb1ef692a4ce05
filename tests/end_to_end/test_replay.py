"""Replay on the whole stack, while live: nothing that is billed changes; killed, it goes on."""

import json
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.end_to_end.books import Books
from tests.running_stack import command_environment, outbox_command
from tests.waiting import wait_until

LEDGER = (
    "SELECT entry::text FROM mentor_payable_ledgers AS entry ORDER BY id",
    "SELECT paid::text FROM ledger_entry_sessions AS paid ORDER BY 1",
)
EXCEPTIONS = (
    "SELECT id, status, attempts, resolution, last_error FROM billing_exceptions"
    " WHERE starts_with(subject, %s) ORDER BY id"
)


def business(books: Books) -> int:
    """Single, evaluated and package sessions, one contradicted, one voided; return the bills."""
    for number in range(20):
        books.insert(books.completed(f"single-{number}"))
    books.insert(books.completed("evaluated", requiredEvaluation=True))
    books.evaluate("evaluated")
    books.evaluate("early")
    books.insert(books.completed("early", requiredEvaluation=True))
    for number in range(3):
        books.insert(books.course(f"member-{number}", 3))
    books.insert(books.course("member-of-many", 9, package="unfinished"))
    books.insert(books.completed("contradicted"))
    books.insert(books.completed("contradicted", studentId=books.id("another")))
    wrong = books.insert(books.completed("voided"))
    voided = {"sessionId": books.id("voided"), "eventId": wrong, "reason": "did not happen"}
    books.wait_for_bills(25)
    books.insert(voided, "voided")
    books.wait_for_exception(books.id("contradicted"), "session_conflict", "failed")
    return 25


def ledger(books: Books) -> list[str]:
    return [row[0] for query in LEDGER for row in books.owner.execute(query).fetchall()]


def wrong(found: Mapping[str, Any]) -> list[int]:
    return [found[figure] for figure in ("duplicate", "mismatched", "missing", "undelivered")]


@pytest.mark.timeout(300)
def test_everything_replayed_twice_while_live_changes_the_ledger_by_no_row(books: Books) -> None:
    began = datetime.now(UTC).isoformat()
    billed = business(books)
    code, _ = books.outbox_json(
        "ledger", "reverse", str(books.bills()[0]["id"]), "--reason", "it was a trial"
    )
    assert code == 0
    assert len(books.bills()) == billed + 1
    _, reconciled = books.outbox_json("reconcile", "--since", began)
    before, open_before = ledger(books), books.rows(EXCEPTIONS, books.name)
    stop = threading.Event()
    inserted: list[str] = []

    def keep_inserting() -> None:
        url = books.stack.address("app_database_url")
        with psycopg.connect(url, autocommit=True) as connection:
            live = Books(books.stack, books.owner, connection)
            while not stop.wait(0.02):
                session = live.completed(f"live-{len(inserted)}", mentorId=books.mentor)
                live.insert(session)
                inserted.append(session["sessionId"])

    application = threading.Thread(target=keep_inserting)
    application.start()
    try:
        for _ in range(2):
            code, found = books.outbox_json("replay", "--all", "--rate", "5000")
            assert code == 0
            assert found["events"] > 30
            # What was on its way at that moment has no receipt yet, and comes from the table.
            from_kafka = [row["events"] for row in found["by_type"] if row["from"] == "kafka"]
            assert sum(from_kafka) > 30
            assert len(inserted) > 0
    finally:
        stop.set()
        application.join()
    bills = books.wait_for_bills(billed + 1 + len(inserted), seconds=120)
    # Reconciliation waits until the processors have passed all that was sent again.
    _, found = books.outbox_json("reconcile", "--since", began)
    assert wrong(found) == wrong(reconciled)
    paid = Counter(bill["session_id"] for bill in bills if bill["session_id"] in set(inserted))
    assert paid == Counter(inserted)
    assert [row for row in ledger(books) if not any(name in row for name in inserted)] == before
    assert books.rows(EXCEPTIONS, books.name) == open_before


def replayed_copies(books: Books) -> Counter[bytes]:
    """How often each session of this test's own lies in its topic as a replay."""
    consumer = Consumer(
        {
            "bootstrap.servers": books.stack.address("kafka_bootstrap_servers"),
            "group.id": "reads-replays",
            "enable.auto.commit": False,
        }
    )
    numbers = consumer.list_topics("events.session", timeout=20).topics["events.session"].partitions
    places, remaining = [], 0
    for number in numbers:
        begin, end = consumer.get_watermark_offsets(TopicPartition("events.session", number))
        places.append(TopicPartition("events.session", number, begin))
        remaining += end - begin
    consumer.assign(places)
    copies: Counter[bytes] = Counter()
    while remaining:
        for message in consumer.consume(500, timeout=20):
            assert message.error() is None
            remaining -= 1
            mine = message.key().startswith(books.name.encode())
            if mine and ("replayed", b"replay") in (message.headers() or []):
                copies[message.key()] += 1
    consumer.close()
    return copies


@pytest.mark.timeout(300)
def test_a_replay_that_is_killed_goes_on_and_sends_the_rest(books: Books) -> None:
    count = 120
    for number in range(count):
        books.insert(books.completed(f"s{number}"))
    bills = books.wait_for_bills(count)
    arguments = ("replay", "--contract", books.contract, "--rate", "20")
    # As `outbox` in a script: without a terminal.
    first = subprocess.Popen(
        outbox_command(*arguments),
        env=command_environment(books.stack.layout),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    folder = books.stack.layout.home / "replay"
    stored = wait_until(
        "two pages are done",
        lambda: [json.loads(path.read_text()) for path in folder.glob("*.json")],
        is_so=lambda found: bool(found) and found[0]["sent"] >= 40,
    )
    first.send_signal(signal.SIGKILL)
    out, _ = first.communicate()
    assert out == ""
    done = stored[0]["sent"]
    assert done < count
    code, out, err = books.stack.outbox(*arguments[:3], "--output", "json")
    assert code == 0, err
    assert "Going on after" in err
    assert json.loads(out)["events"] == count
    copies = replayed_copies(books)
    assert set(copies) == {books.id(f"s{number}").encode() for number in range(count)}
    assert count <= copies.total() <= count + 20
    assert list(folder.glob("*.json")) == []
    books.outbox_json("reconcile")
    assert books.bills() == bills
    actions = books.rows(
        "SELECT detail FROM operator_actions WHERE action = 'replay' AND subject = %s"
        " ORDER BY acted_at",
        f"contract {books.contract}",
    )
    assert [row["detail"]["events"] for row in actions] == [count, count]
