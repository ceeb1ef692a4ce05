"""What makes a position untrue stops the worker aloud, and `outbox rebuild --replace` mends it."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import OFFSET_INVALID, Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from infra.local.layout import project_directory
from schemas.topic_creation import create_missing_topics
from schemas.topics import EVENTS_SESSION, PACKAGE_FACTS_CHANGELOG, SESSION_FACTS_CHANGELOG
from tests.end_to_end.books import Books
from tests.integration.kafka_topics import Topics
from tests.running_stack import RunningStack, command_environment, outbox_command
from tests.waiting import wait_until


@pytest.fixture
def topics(stack: RunningStack) -> Topics:
    return Topics(stack.brokers)


@contextmanager
def told(stack: RunningStack, name: str, words: str) -> Iterator[None]:
    """What is done here makes a process end, say so and name the command; it is red then."""
    log = stack.layout.log(name)
    before = log.stat().st_size
    yield
    wait_until(
        f"{name} says {words}",
        lambda: log.read_bytes()[before:].decode(errors="replace"),
        is_so=lambda text: words in text and "`outbox rebuild --replace`" in text,
    )
    assert not stack.processes()[name].healthy


def replaced(books: Books) -> dict[str, Any]:
    """Repair as an operator does; return what the verb says it did."""
    code, out, err = books.stack.outbox("rebuild", "--replace", "--output", "json", timeout=240)
    assert code == 0, err
    assert "Run `outbox reconcile`" in err
    wait_until(
        "the worker is healthy",
        lambda: books.stack.processes()["worker-1"],
        is_so=lambda process: process.healthy,
    )
    done: dict[str, Any] = json.loads(out)
    return done


def wait_for_receipts(books: Books, count: int) -> None:
    wait_until(
        f"{count} events are in Kafka",
        lambda: books.rows(
            "SELECT 1 FROM domain_events JOIN domain_event_deliveries ON event_id = id "
            "WHERE aggregate_id LIKE %s",
            f"{books.name}-%",
        ),
        is_so=lambda rows: len(rows) >= count,
    )


def ends(topics: Topics, topic: str) -> dict[int, int]:
    admin = AdminClient(topics.settings)
    wanted = {TopicPartition(topic, number): OffsetSpec.latest() for number in range(4)}
    return {
        partition.partition: future.result(20).offset
        for partition, future in admin.list_offsets(wanted).items()
    }


def event_at(topics: Topics, partition: int, offset: int) -> str:
    """The id of the event that lies at a place of events.session."""
    consumer = Consumer({**topics.settings, "group.id": "reader", "auto.offset.reset": "error"})
    try:
        consumer.assign([TopicPartition(EVENTS_SESSION.name, partition, offset)])
        message = consumer.poll(20)
        assert message is not None
        assert message.error() is None
        return dict(message.headers())["id"].decode()
    finally:
        consumer.close()


def paid(books: Books) -> list[str]:
    return sorted(session for bill in books.bills() for session in bill["session_ids"])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("changelog", [SESSION_FACTS_CHANGELOG, PACKAGE_FACTS_CHANGELOG])
def test_a_deleted_changelog_is_told_and_made_anew_with_every_fact(
    books: Books, topics: Topics, changelog: Any
) -> None:
    for number in range(2):
        books.insert(books.course(f"s{number}", 3))
    books.evaluate("early")
    wait_for_receipts(books, 3)
    with told(books.stack, "worker-1", "does not exist"), books.stack.stopped("worker-1"):
        topics.delete(changelog.name)

    done = replaced(books)

    assert done["events_sent"] == 0
    assert done["started"] == ["worker-1"]
    books.insert(books.course("s2", 3))
    books.insert(books.completed("early", requiredEvaluation=True))
    books.wait_for_bills(2)
    assert paid(books) == sorted(books.id(noun) for noun in ("early", "s0", "s1", "s2"))


@pytest.mark.timeout(300)
def test_events_removed_unread_are_told_and_sent_again(books: Books, topics: Topics) -> None:
    """The ledger writer is stopped too: its receipts' position is outside the topic then."""
    books.insert(books.course("s0", 3))
    books.insert(books.completed("before"))
    books.wait_for_bills(1)
    with (
        told(books.stack, "worker-1", "events between were removed"),
        books.stack.stopped("worker-1", "ledger-writer"),
    ):
        before = ends(topics, EVENTS_SESSION.name)
        books.insert(books.course("s1", 3))
        books.insert(books.course("s2", 3))
        books.insert(books.completed("during"))
        wait_until(
            "they are in Kafka",
            lambda: sum(ends(topics, EVENTS_SESSION.name).values()),
            is_so=lambda end: end >= sum(before.values()) + 3,
        )
        for number, end in ends(topics, EVENTS_SESSION.name).items():
            topics.truncate(EVENTS_SESSION.name, end, number)

    done = replaced(books)

    assert done["events_sent"] >= 5
    assert any("outbox-ledger-receipts" in moved for moved in done["moved"])
    books.wait_for_bills(3)
    assert paid(books) == sorted(books.id(n) for n in ("before", "during", "s0", "s1", "s2"))
    assert len(books.bills()) == 3
    wait_for_receipts(books, 5)
    # And the events give that ledger, from a topic that does not begin at its beginning.
    code, out, err = books.stack.outbox("rebuild", "--output", "json", timeout=240)
    assert out, err
    different = [each["subject"] for each in json.loads(out)["differences"]]
    assert not [subject for subject in different if subject.startswith(books.name)], code


@pytest.mark.timeout(300)
def test_an_event_that_stayed_does_not_meet_a_completion_without_the_voiding_that_was_removed(
    books: Books, topics: Topics
) -> None:
    """What is sent again lies behind the evaluation: in that order, the wrong one was billable."""
    with books.stack.stopped("worker-1"):
        wrong = books.completed(
            "s0", requiredEvaluation=True, contractId=books.id("another-contract")
        )
        voided = {"sessionId": books.id("s0"), "eventId": books.insert(wrong), "reason": "wrong"}
        books.insert(voided, "voided")
        books.insert(books.completed("s0", requiredEvaluation=True))
        wait_for_receipts(books, 3)
        for number, end in ends(topics, EVENTS_SESSION.name).items():
            topics.truncate(EVENTS_SESSION.name, end, number)
        books.evaluate("s0")
        wait_for_receipts(books, 4)

    replaced(books)

    (bill,) = books.wait_for_bills(1)
    assert bill["contract_id"] == books.contract
    assert [each for each in books.exceptions(books.id("s0")) if each["status"] == "failed"] == []


@pytest.mark.timeout(300)
def test_sessions_that_agree_are_not_paid_before_the_one_is_known_whose_terms_hold(
    books: Books, topics: Topics
) -> None:
    """Its event was removed and is sent again behind theirs: in that order, they were a package."""
    books.insert(books.course("s1", 2, mentorId=books.id("first-mentor")))
    books.insert(books.course("s2", 2))
    # The first is known, and not before: the third could overtake it, and it and s2 be paid.
    books.wait_for_exception(books.id("package"), "package_conflict", "failed")
    books.insert(books.course("s3", 2))
    with books.stack.stopped("worker-1"):
        for number, end in ends(topics, EVENTS_SESSION.name).items():
            topics.truncate(EVENTS_SESSION.name, end, number)
        for noun in ("s2", "s3"):
            books.insert(books.course(noun, 2))
        wait_for_receipts(books, 5)

    replaced(books)

    assert books.bills() == []


@pytest.mark.timeout(300)
def test_a_topic_of_events_made_anew_while_its_worker_was_stopped_is_told_and_filled_again(
    books: Books, topics: Topics
) -> None:
    books.insert(books.course("s0", 3))
    books.insert(books.completed("before"))
    books.wait_for_bills(1)
    with (
        told(books.stack, "worker-1", "deleted and made anew"),
        books.stack.stopped("worker-1"),
    ):
        books.insert(books.course("s1", 3))
        books.insert(books.completed("during"))
        wait_for_receipts(books, 4)
        topics.delete(EVENTS_SESSION.name)
        create_missing_topics(topics.brokers)

    done = replaced(books)

    assert done["events_sent"] >= 4
    books.insert(books.course("s2", 3))
    books.wait_for_bills(3)
    assert paid(books) == sorted(books.id(n) for n in ("before", "during", "s0", "s1", "s2"))
    assert len(books.bills()) == 3
    # Receipts of the old topic are no receipts: these tell where the events lie now.
    wait_for_receipts(books, 5)
    for receipt in books.rows(
        'SELECT event_id::text, partition, "offset" FROM domain_event_deliveries '
        "JOIN domain_events ON id = event_id WHERE aggregate_id LIKE %s",
        f"{books.name}-%",
    ):
        place = (receipt["partition"], receipt["offset"])
        assert event_at(topics, *place) == receipt["event_id"]


def test_workers_that_it_cannot_stop_are_named_and_nothing_is_changed(
    books: Books, topics: Topics, tmp_path: Path
) -> None:
    wait_until(
        "all is committed",
        lambda: topics.committed("outbox-billing", EVENTS_SESSION.name),
        is_so=lambda committed: committed in {OFFSET_INVALID, ends(topics, EVENTS_SESSION.name)[0]},
    )
    before = topics.committed("outbox-billing", EVENTS_SESSION.name)
    finished = subprocess.run(
        outbox_command("rebuild", "--replace"),
        env={
            **command_environment(books.stack.layout),
            "OUTBOX_HOME": str(tmp_path),
            "OUTBOX_DATABASE_URL": books.stack.address("database_url"),
            "OUTBOX_KAFKA_BOOTSTRAP_SERVERS": "localhost:" + topics.brokers.addresses.split(":")[1],
        },
        cwd=project_directory(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 1, finished.stderr
    assert "still has members: worker-1 at 127.0.0.1" in finished.stderr
    assert topics.committed("outbox-billing", EVENTS_SESSION.name) == before
    assert books.stack.processes()["worker-1"].healthy
