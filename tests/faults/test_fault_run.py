"""A short campaign on a real stack, all invariants; then violations planted on that stack are seen.

The seed is another one each time, and printed; FAULTS_SEED repeats one.
"""

import json
import os
import random
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.faults import settling
from tests.faults.campaign import FAULTS_OF_A_SHORT_RUN, Campaign, Orders, Result
from tests.faults.catalog import FAULTS
from tests.faults.evidence import Evidence
from tests.faults.hosting import fault_layout, fault_stack
from tests.faults.invariants import INVARIANTS
from tests.faults.journal import WrittenEvent
from tests.faults.report import summary
from tests.faults.site import END, GROUPS, Outcome, Site
from tests.faults.stories import Event

# Other tests' stacks share the machine with this one: `make faults` runs alone, and at more.
EVENTS_PER_SECOND = 40.0
TIMEOUT_SECONDS = 1_200
LEDGER_TABLES = ("mentor_payable_ledgers", "ledger_entry_sessions")

pytestmark = pytest.mark.timeout(TIMEOUT_SECONDS)


@dataclass(frozen=True)
class Finished:
    """A campaign that is over, on a stack that still runs."""

    campaign: Campaign
    result: Result


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@pytest.fixture(scope="module")
def finished() -> Iterator[Finished]:
    seed = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(1_000_000))
    orders = Orders(seed, faults=FAULTS_OF_A_SHORT_RUN, events_per_second=EVENTS_PER_SECOND)
    with fault_stack(fault_layout()) as hosting:
        campaign = Campaign(orders, hosting, FAULTS, say)
        yield Finished(campaign, campaign.run())


def test_whatever_fails_nothing_is_lost_and_nothing_billed_twice(finished: Finished) -> None:
    seed = finished.result.orders.seed
    assert finished.result.holds, f"FAULTS_SEED={seed}\n{summary(finished.result)}"


def test_every_group_of_faults_had_its_turn(finished: Finished) -> None:
    evidence = finished.result.evidence
    seen = {group for (group,) in evidence.rows("SELECT DISTINCT fault_group FROM faults")}
    assert seen - {END} == {fault.group for fault in FAULTS} <= set(GROUPS)


def violated(finished: Finished, invariant: str) -> str:
    """Read all evidence anew and return what one invariant says to it."""
    evidence = finished.campaign.evidence_anew()
    said = "\n".join(INVARIANTS[invariant](evidence))
    evidence.close()
    return said


def without_triggers(finished: Finished, *statements: str) -> None:
    """Do to the ledger what only a superuser can."""
    with psycopg.connect(finished.campaign.hosting.stack.address("admin_database_url")) as admin:
        for table in LEDGER_TABLES:
            admin.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            admin.execute(statement)
        for table in LEDGER_TABLES:
            admin.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def an_entry(evidence: Evidence, place: int) -> str:
    """Return the id of a single session's entry that no exception is about."""
    entry_id = evidence.one(
        "SELECT id FROM ledger WHERE kind = 'session' AND session_id NOT IN "
        "(SELECT subject FROM exceptions) ORDER BY id LIMIT 1 OFFSET ?",
        place,
    )
    assert entry_id is not None
    return str(entry_id)


def test_a_ledger_row_that_is_altered_is_seen(finished: Finished) -> None:
    entry_id = an_entry(finished.result.evidence, 0)
    update = "UPDATE mentor_payable_ledgers SET amount_minor = amount_minor {} WHERE id = '{}'"
    without_triggers(finished, update.format("+ 1", entry_id))
    assert entry_id in violated(finished, "I2")
    assert entry_id in violated(finished, "I5")
    without_triggers(finished, update.format("- 1", entry_id))
    assert violated(finished, "I2") == ""
    assert entry_id in violated(finished, "I5"), "it was changed back, and that went unseen"


def test_a_bill_that_is_taken_away_is_seen(finished: Finished) -> None:
    entry_id = an_entry(finished.result.evidence, 1)
    session_id = finished.result.evidence.one(
        "SELECT session_id FROM ledger WHERE id = ?", entry_id
    )
    without_triggers(
        finished,
        f"DELETE FROM ledger_entry_sessions WHERE entry_id = '{entry_id}'",
        f"DELETE FROM mentor_payable_ledgers WHERE id = '{entry_id}'",
    )
    assert f"session/{session_id} is payable" in violated(finished, "I2")
    assert f"{entry_id} was seen during the run and is gone" in violated(finished, "I5")


def test_a_session_that_is_paid_twice_is_seen(finished: Finished) -> None:
    entry_id = an_entry(finished.result.evidence, 2)
    without_triggers(
        finished,
        "INSERT INTO mentor_payable_ledgers SELECT gen_random_uuid(), kind, mentor_id, contract_id,"
        " student_id, session_id, service_package_id, amount_minor, currency, price_effective_from,"
        f" occurred_at, source_event_id FROM mentor_payable_ledgers WHERE id = '{entry_id}'",
    )
    assert "billed twice" in violated(finished, "I2")


def test_an_event_that_kafka_lost_is_seen(finished: Finished) -> None:
    assert violated(finished, "I1") == ""
    bootstrap = finished.campaign.hosting.stack.address("kafka_bootstrap_servers")
    end = finished.result.evidence.one(
        "SELECT max(position) + 1 FROM deliveries WHERE topic = 'events.user'"
    )
    # Held on to: one that nobody holds is gone before it is answered.
    client = AdminClient({"bootstrap.servers": bootstrap})
    deleted = client.delete_records([TopicPartition("events.user", 0, end)])
    for partition in deleted.values():
        partition.result(60)
    assert "of user shared-user-0 was committed and is not in Kafka" in violated(finished, "I1")


def test_an_event_of_a_rolled_back_transaction_in_kafka_is_seen(finished: Finished) -> None:
    (event,) = finished.campaign.application.roll_back([signup("rolled-back")])
    produce(finished, event)
    assert f"event {event.id} is in Kafka" in violated(finished, "I4")


def test_events_that_changed_places_on_their_way_are_seen(finished: Finished) -> None:
    connect = finished.campaign.hosting.stack.processes()["connect"].pid
    assert connect is not None
    os.kill(connect, signal.SIGSTOP)
    try:
        (first,) = finished.campaign.application.commit([signup("swapped")])
        (second,) = finished.campaign.application.commit([signup("swapped")])
        produce(finished, second)
        produce(finished, first)
    finally:
        os.kill(connect, signal.SIGCONT)
    assert f"event {first.id} was committed before event {second.id}" in violated(finished, "I3")


@dataclass(frozen=True)
class Planted:
    """A fault that leaves the ledger writer standing, and says nothing of a position it lost."""

    kind: str = "planted"
    group: str = "loss"
    repair: bool = False

    def run(self, site: Site) -> Outcome:
        writer = site.stack.processes()["ledger-writer"].pid
        assert writer is not None
        os.kill(writer, signal.SIGSTOP)
        site.application.commit([site.application.completed(site.random)])
        return Outcome("stopped", red=True)


def test_a_backlog_that_does_not_go_is_seen_and_silence_about_a_loss(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "PATIENCE_SECONDS", 3.0)
    monkeypatch.setattr(settling, "GREEN_SECONDS", 1.0)
    writer = finished.campaign.hosting.stack.processes()["ledger-writer"].pid
    assert writer is not None
    try:
        finished.campaign.watched(lambda: finished.campaign.carry_out(9_999, Planted()))
    finally:
        os.kill(writer, signal.SIGCONT)
    assert "fault 9999, planted: the backlog never went" in violated(finished, "I6")
    assert "fault 9999, planted: the position was lost, and nobody said so" in violated(
        finished, "I7"
    )


def signup(name: str) -> Event:
    user = f"planted-{name}"
    payload = {"userId": user, "signedUpAt": "2026-03-01T12:00:00Z"}
    return Event("user", user, "user.signup", payload)


def produce(finished: Finished, event: WrittenEvent) -> None:
    """Say in Kafka, by hand, that something was committed."""
    bootstrap = finished.campaign.hosting.stack.address("kafka_bootstrap_servers")
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    producer.produce(
        f"events.{event.aggregate_type}",
        json.dumps(event.payload),
        event.aggregate_id,
        headers=[
            ("id", event.id),
            ("eventType", event.event_type),
            ("createdAt", "2026-03-01T12:00:00.000000Z"),
        ],
    )
    assert producer.flush(30) == 0
