"""Three brokers, two Connect workers, two processors: whichever dies, every bill comes, once.

A short campaign of the fault suite, with one fault of each kind. The seed is another one each time,
and printed; FAULTS_SEED repeats one.
"""

import json
import os
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from infra.local.programs import broker_name
from stream_processors.groups import PROCESSORS_GROUP
from tests.end_to_end.books import Books, opened_books
from tests.faults.campaign import Campaign, Orders, Result
from tests.faults.catalog import faults_of
from tests.faults.hosting import Hosting, fault_layout, fault_stack
from tests.faults.kinds.cluster import LEADER_KILLED, TASK_HOLDER_KILLED
from tests.faults.report import summary
from tests.processes import running
from tests.servers.asking_positions import TOLD
from tests.waiting import wait_until

KILLED = {LEADER_KILLED, TASK_HOLDER_KILLED, "worker: SIGKILL"}
EVENTS_PER_SECOND = 20.0

pytestmark = pytest.mark.timeout(900)


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@pytest.fixture(scope="module")
def hosting() -> Iterator[Hosting]:
    with fault_stack(fault_layout(brokers=3, connect_workers=2), workers=2) as hosting:
        yield hosting


@pytest.fixture(scope="module")
def result(hosting: Hosting) -> Result:
    seed = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(1_000_000))
    chosen = [fault for fault in faults_of(hosting.stack.layout) if fault.kind in KILLED]
    orders = Orders(seed, faults=len(chosen), events_per_second=EVENTS_PER_SECOND)
    return Campaign(orders, hosting, chosen, say).run()


def test_with_a_broker_a_connect_worker_and_a_processor_killed_in_turn_nothing_is_lost(
    result: Result,
) -> None:
    assert result.holds, f"FAULTS_SEED={result.orders.seed}\n{summary(result)}"
    killed = {
        kind for (kind,) in result.evidence.rows("SELECT kind FROM faults WHERE error IS NULL")
    }
    assert killed >= KILLED


def test_in_the_end_every_process_is_well_and_every_partition_has_all_its_copies(
    hosting: Hosting, result: Result
) -> None:
    assert result.events > 0
    assert all(process.healthy for process in hosting.stack.processes().values())
    _, out, _ = hosting.stack.outbox("doctor")
    assert "partitions have all their copies in step, 3 at least" in out


def test_whoever_asks_for_positions_outlives_the_broker_that_keeps_them(
    hosting: Hosting, result: Result, tmp_path: Path
) -> None:
    assert result.events > 0
    stack, said = hosting.stack, tmp_path / "said"
    servers = {"KAFKA_BOOTSTRAP_SERVERS": stack.brokers.addresses}
    with (
        said.open("wb") as output,
        running("tests.servers.asking_positions", servers, output) as asker,
    ):
        wait_until("it is told", said.read_text, lambda text: TOLD in text)
        admin = AdminClient(stack.brokers.client)
        [described] = admin.describe_consumer_groups([PROCESSORS_GROUP]).values()
        name = broker_name(described.result(60).coordinator.id)
        pid = stack.pid(name)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        before = len(said.read_text())
        wait_until(
            "it is told again, by another broker",
            lambda: (asker.poll(), said.read_text()[before:].count(f"\n{TOLD}\n")),
            lambda seen: seen[0] is not None or seen[1] > 2,
            seconds=90,
        )
        assert asker.poll() is None, "it died with the broker"
        wait_until(f"{name} is back", stack.processes, lambda them: them[name].healthy, seconds=120)
    assert "SIGABRT" not in (stack.layout.logs / "supervisord.log").read_text()


@pytest.fixture
def books(hosting: Hosting, result: Result) -> Iterator[Books]:
    """The books of the stack that the campaign has left."""
    assert result.events > 0
    with opened_books(hosting.stack) as books:
        yield books


def test_with_one_broker_down_events_are_billed_and_the_doctor_names_the_missing_copies(
    books: Books,
) -> None:
    with books.stack.stopped("kafka-2"):
        books.insert(books.completed("without-a-broker"))
        books.wait_for_bills(1)
        processes = books.stack.processes()
        assert not processes["kafka-2"].healthy
        assert processes["kafka"].healthy
        assert processes["kafka-3"].healthy
        _, out, _ = books.stack.outbox("doctor", "--output", "json")
    found = [line["finding"] for line in json.loads(out) if line["check"] == "copies"]
    assert "events.session[0,1,2,3]: 2 of 3 copies are in step, without broker 2" in found
    wait_until(
        "kafka-2 is back", books.stack.processes, lambda them: them["kafka-2"].healthy, seconds=120
    )


def test_with_the_first_connect_worker_down_whoever_asks_connect_goes_on_with_the_other(
    books: Books,
) -> None:
    with books.stack.stopped("connect"):
        books.insert(books.completed("without-a-worker"))
        books.wait_for_bills(1)
        code, out, err = books.stack.outbox("connectors", "status", "--output", "json")
    assert code == 0, out + err
    wait_until(
        "connect is back", books.stack.processes, lambda them: them["connect"].healthy, seconds=120
    )


def test_another_number_of_brokers_is_refused_and_nothing_is_touched(hosting: Hosting) -> None:
    before = hosting.stack.pid("kafka")
    code, _, err = hosting.stack.outbox("up", "--brokers", "1")
    assert code != 0
    assert "Start it with --brokers 3" in err
    assert hosting.stack.pid("kafka") == before
