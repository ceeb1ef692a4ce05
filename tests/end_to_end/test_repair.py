"""`outbox reconcile --repair`: what the pipeline lost is billed; the ledger is never written to."""

from datetime import UTC, datetime
from typing import Any

import psycopg
from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from psycopg.types.json import Jsonb

from schemas.topics import PAYABLES
from stream_processors.groups import PAYABLES_GROUP
from tests.end_to_end.books import Books
from tests.waiting import wait_until


def ends(admin: AdminClient, topic: str) -> dict[int, int]:
    partitions = admin.list_topics(topic, timeout=10).topics[topic].partitions
    asked = admin.list_offsets(
        {TopicPartition(topic, number): OffsetSpec.latest() for number in partitions}
    )
    return {partition.partition: future.result().offset for partition, future in asked.items()}


def skip_to_the_end(admin: AdminClient, group: str, topic: str) -> None:
    """What a careless hand does to a group's position, once nobody holds it."""
    wait_until(
        f"nobody is in {group}",
        lambda: admin.describe_consumer_groups([group])[group].result().state,
        is_so=lambda state: state in {ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD},
    )
    offsets = [TopicPartition(topic, number, end) for number, end in ends(admin, topic).items()]
    skipped = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, offsets)])
    skipped[group].result()


def judged(books: Books, began: datetime) -> tuple[int, dict[str, Any]]:
    """What reconciliation finds once nothing is merely on its way any more."""
    return wait_until(
        "nothing is on its way",
        lambda: books.outbox_json("reconcile", "--since", began.isoformat()),
        is_so=lambda answer: answer[1]["waiting"] == 0,
    )


def repaired(books: Books, began: datetime) -> tuple[int, dict[str, Any]]:
    return books.outbox_json("reconcile", "--repair", "--since", began.isoformat())


def test_bills_whose_payables_were_skipped_are_posted_after_a_repair(books: Books) -> None:
    """A receipt without its effect: a single session, and a package with an evaluated session."""
    began = datetime.now(UTC)
    admin = AdminClient(books.stack.brokers.client)
    books.insert(books.completed("fine"))
    before = books.wait_for_bills(1)

    said_before = sum(ends(admin, PAYABLES.name).values())
    with books.stack.stopped("ledger-writer"):
        books.insert(books.completed("single"))
        books.insert(books.course("p1", 2))
        books.insert(books.course("p2", 2, requiredEvaluation=True))
        books.evaluate("p2")
        wait_until(
            "the session and the package are said to be payable",
            lambda: sum(ends(admin, PAYABLES.name).values()),
            is_so=lambda said: said == said_before + 2,
        )
        skip_to_the_end(admin, PAYABLES_GROUP, PAYABLES.name)

    code, found = judged(books, began)
    assert (code, found["missing"], found["billed"]) == (1, 2, 1)
    assert {detail["subject"] for detail in found["details"]} == {
        books.id("single"),
        books.id("package"),
    }
    assert len(books.bills()) == 1

    code, found = repaired(books, began)
    assert (code, found["verdict"], found["missing"], found["billed"]) == (0, "clean", 0, 3)
    assert found["repair"]["before"]["missing"] == 2
    assert found["repair"]["events_sent"] == 4
    assert [bill for bill in books.bills() if bill in before] == before
    assert len(books.bills()) == 3

    code, found = repaired(books, began)
    assert (code, found["repair"]["events_sent"]) == (0, 0)
    assert len(books.bills()) == 3


def test_an_event_that_never_reached_kafka_is_delivered_and_billed_by_a_repair(
    books: Books,
) -> None:
    began = datetime.now(UTC)
    payload = books.completed("s1")
    with psycopg.connect(books.stack.address("admin_database_url")) as admin:
        # In one transaction, so that no heartbeat sees the publication without its table.
        admin.execute("ALTER PUBLICATION outbox_events DROP TABLE domain_events")
        admin.execute(
            "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload) "
            "VALUES ('session', %s, 'services.session.completed', %s)",
            [payload["sessionId"], Jsonb(payload)],
        )
        admin.execute("ALTER PUBLICATION outbox_events ADD TABLE domain_events")
    # What comes after it is delivered: it is not merely late.
    books.insert(books.completed("s2"))
    books.wait_for_bills(1)

    code, found = judged(books, began)
    assert (code, found["undelivered"], found["missing"], found["billed"]) == (1, 1, 0, 1)

    code, found = repaired(books, began)
    assert (code, found["verdict"], found["undelivered"], found["billed"]) == (0, "clean", 0, 2)
    assert found["repair"]["before"]["undelivered"] == 1
    assert {bill["session_id"] for bill in books.bills()} == {books.id("s1"), books.id("s2")}
    assert books.rows("SELECT actor FROM operator_actions WHERE action = 'reconcile.repair'")
