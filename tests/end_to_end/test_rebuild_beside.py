"""`outbox rebuild` bills everything again, on trial: it says whether the ledger is the same."""

import json
import os
import signal
import subprocess
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from infra.local.layout import project_directory
from infra.local.sweep import running_processes
from schemas import codec
from schemas.records import Payable
from schemas.topics import PAYABLES
from tests.end_to_end.books import LATER, SINGLE_MINOR, Books
from tests.running_stack import RunningStack, command_environment, outbox_command
from tests.waiting import wait_until

SECONDS = 240.0


def nothing_is_left(stack: RunningStack) -> bool:
    """No topic, group, directory or process of a trial."""
    admin = AdminClient({"bootstrap.servers": stack.address("kafka_bootstrap_servers")})
    groups = admin.list_consumer_groups().result(20).valid
    named = [*admin.list_topics(timeout=20).topics, *(group.group_id for group in groups)]
    running = running_processes(stack.layout)
    return (
        not any(name.startswith("outbox-rebuild-") for name in (*named, *running))
        and not (stack.layout.home / "rebuild").exists()
    )


def rebuilt(books: Books) -> tuple[int, dict[str, Any]]:
    """Run it; return its exit code, and what it says of this test's sessions and packages.

    Other tests of the session leave differences of their own.
    """
    code, out, err = books.stack.outbox("rebuild", "--output", "json", timeout=SECONDS)
    assert out, err
    proof = json.loads(out)
    assert code == (0 if proof["equal"] else 1), err
    assert proof["equal"] == (not proof["differences"])
    mine = [each for each in proof["differences"] if each["subject"].startswith(books.name)]
    assert nothing_is_left(books.stack)
    return code, {**proof, "differences": mine}


def ghost(books: Books) -> Payable:
    """A bill that no event calls for."""
    return Payable(
        ledger_id=str(uuid.uuid4()),
        kind="session",
        mentor_id=books.mentor,
        contract_id=books.contract,
        student_id=books.id("student"),
        session_id=books.id("ghost"),
        service_package_id=None,
        price_code="single",
        occurred_at=datetime.fromisoformat(LATER),
        source_event_id=str(uuid.uuid4()),
        session_ids=(books.id("ghost"),),
    )


@pytest.mark.timeout(600)
def test_the_ledger_of_all_events_is_the_one_there_is_until_a_fact_is_planted(
    books: Books,
) -> None:
    for number in range(5):
        books.insert(books.completed(f"s{number}"))
    for number in range(3):
        books.insert(books.course(f"p{number}", 3, requiredEvaluation=True))
        books.evaluate(f"p{number}")
    # Rightly without a bill.
    books.insert(books.completed("unevaluated", requiredEvaluation=True))
    books.insert(books.course("alone", 2, "unfinished"))
    # Contradictory events, and a mentor without a price.
    books.insert(books.completed("s0", mentorId=books.id("another")))
    books.insert(books.completed("unpriced", sessionType="rare"))
    books.wait_for_bills(6)
    books.wait_for_exception(books.id("s0"), "session_conflict", "failed")
    books.wait_for_exception(books.id("unpriced"), "price_missing", "failed")
    before = books.bills()

    _, proof = rebuilt(books)

    assert proof["differences"] == []
    assert proof["events"] >= 15
    assert proof["bills"] >= 7
    assert proof["blocked"] >= 1
    assert proof["exceptions"] >= 1

    planted = ghost(books)
    books.produce(codec.encode(planted), planted.ledger_id, topic=PAYABLES.name)
    books.wait_for_bills(7)

    code, proof = rebuilt(books)

    assert code == 1
    [difference] = proof["differences"]
    assert difference["outcome"] == "not_owed"
    assert difference["subject"] == books.id("ghost")
    assert difference["ledger"]["amount_minor"] == SINGLE_MINOR
    assert [bill for bill in books.bills() if bill["session_id"] != books.id("ghost")] == before

    code, _, err = books.stack.outbox(
        "ledger", "reverse", planted.ledger_id, "--reason", "planted by a test"
    )
    assert code == 0, err


@pytest.mark.timeout(600)
def test_the_state_as_of_a_time_shows_what_was_owed_and_what_waited_for_what(
    books: Books,
) -> None:
    books.insert(books.completed("owed"))
    books.insert(books.completed("unevaluated", requiredEvaluation=True))
    books.evaluate("early")
    books.insert(books.course("s0", 2))
    books.wait_for_bills(1)
    [now] = books.rows("SELECT clock_timestamp() AS now")
    books.insert(books.completed("later"))
    books.evaluate("unevaluated")
    books.insert(books.completed("early", requiredEvaluation=True))
    books.insert(books.course("s1", 2))
    books.wait_for_bills(5)

    code, out, err = books.stack.outbox(
        "rebuild", "--until", now["now"].isoformat(), "--output", "json", timeout=SECONDS
    )

    assert code == 0, err
    state = json.loads(out)

    def mine(name: str, column: str) -> list[str]:
        return [row[column] for row in state[name] if row[column].startswith(books.name)]

    assert mine("owed", "subject") == [books.id("owed")]
    [owed] = [row for row in state["owed"] if row["subject"] == books.id("owed")]
    assert (owed["amount_minor"], owed["currency"]) == (SINGLE_MINOR, "USD")
    assert mine("waiting_completion", "session_id") == [books.id("early")]
    assert mine("waiting_evaluation", "session_id") == [books.id("unevaluated")]
    assert mine("waiting_package", "service_package_id") == [books.id("package")]
    [package] = [
        row for row in state["waiting_package"] if row["service_package_id"] == books.id("package")
    ]
    assert (package["sessions_billable"], package["sessions_total"]) == (1, 2)
    assert nothing_is_left(books.stack)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_whatever_ends_it_nothing_is_left_of_it_at_last(books: Books, ending: int) -> None:
    """Killed, its processors end with it, and the next one removes what else there is."""
    books.insert(books.completed("s0"))
    books.wait_for_bills(1)
    process = subprocess.Popen(
        outbox_command("rebuild"),
        env=command_environment(books.stack.layout),
        cwd=project_directory(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(
            "its processors run",
            lambda: list((books.stack.layout.home / "rebuild").glob("outbox-rebuild-*/state/*")),
            is_so=bool,
        )
        assert not nothing_is_left(books.stack)
        os.kill(process.pid, ending)
        _, err = process.communicate(timeout=90)
    finally:
        process.kill()
    if ending == signal.SIGKILL:
        until = datetime.now(UTC).isoformat()
        time.sleep(1)
        code, _, err = books.stack.outbox("rebuild", "--until", until, timeout=SECONDS)
        assert code == 0, err
    assert nothing_is_left(books.stack), err
