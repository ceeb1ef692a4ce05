"""The system of infra/compose.yaml on these images, while its containers are killed."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import pytest
from sqlalchemy import Engine
from testcontainers.core.container import DockerContainer

from operations.demo.comparison import Comparison, compare
from operations.demo.scenario import contracts_of
from producer_app.database import connect, create_tables
from producer_app.workload import Workload, expectation, insert_prices, run
from producer_app.workload.actions import Plan
from tests.containers.system import System
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(1200)

EVENTS_PER_SECOND = 40
BILLED_SECONDS = 150.0
STOP_SECONDS = 25


@contextmanager
def application(system: System) -> Iterator[Engine]:
    engine = connect(system.database_url("outbox_application"), pool_size=4)
    try:
        create_tables(engine)
        yield engine
    finally:
        engine.dispose()


def planned(system: System, seed: int) -> Plan:
    """A plan with its prices in the database."""
    plan = Workload(seed=seed, single_sessions=40).plan()
    with system.owner() as owner:
        insert_prices(owner, plan.prices)
    return plan


def wait_for_bills(system: System, plan: Plan) -> None:
    """Until the ledger is what the plan alone says it should be, field by field."""
    bills = expectation(plan).bills
    with system.owner() as owner:

        def look() -> Comparison:
            return compare(owner, contracts_of(plan), bills)

        found = wait_until("it is billed", look, lambda seen: seen.equal, seconds=BILLED_SECONDS)
    assert found.billed == len(bills) > 0


def test_the_demo_of_the_documents_finds_every_bill(system: System) -> None:
    code, said = system.run("demo")
    assert code == 0, said
    assert "clean" in said


def test_every_process_is_seen_from_the_consoles_side_and_is_well(system: System) -> None:
    def seen() -> dict[str, bool]:
        _, processes = system.outbox_json("status")
        return {each["name"]: each["healthy"] for each in processes}

    everything = {
        *("postgres", "kafka", "connect", "worker-1", "worker-2"),
        *("ledger-writer", "connector-keeper", "scheduler"),
    }
    wait_until("all is well", seen, lambda told: told == dict.fromkeys(everything, True))


@pytest.mark.parametrize("victim", ["worker-1", "ledger-writer", "connect", "kafka"])
def test_killing_a_container_while_an_application_writes_costs_no_bill(
    system: System, victim: str
) -> None:
    plan = planned(system, seed=len(victim))
    halfway = Event()

    def watch(done: int, total: int) -> None:
        if done * 2 >= total:
            halfway.set()

    with application(system) as engine, ThreadPoolExecutor(1) as pool:
        writing = pool.submit(
            run, plan, engine, events_per_second=EVENTS_PER_SECOND, threads=2, on_progress=watch
        )
        assert halfway.wait(60)
        system.kill(victim)
        assert system.health(victim) == "not running"
        system.start(victim)
        writing.result(60)
    wait_for_bills(system, plan)
    system.wait_for(victim, "healthy")


def test_killing_the_database_while_bills_are_due_costs_none(system: System) -> None:
    plan = planned(system, seed=99)
    with application(system) as engine:
        run(plan, engine, threads=4)
    system.kill("postgres")
    system.start("postgres")
    system.wait_for("postgres", "healthy")
    wait_for_bills(system, plan)
    system.wait_for("ledger-writer", "healthy")


def test_what_dies_is_started_again_without_anybody(system: System) -> None:
    before = system.inspected("worker-2")["RestartCount"]
    system.end_process("worker-2")
    wait_until(
        "it was started again",
        lambda: system.inspected("worker-2")["RestartCount"],
        is_so=lambda count: count > before,
    )
    system.wait_for("worker-2", "healthy")


def test_the_health_check_tells_the_truth_about_kafka(system: System) -> None:
    services = ("ledger-writer", "worker-1")
    for service in services:
        system.wait_for(service, "healthy")
    system.container("kafka").stop(timeout=STOP_SECONDS)
    for service in services:
        system.wait_for(service, "unhealthy")
    system.start("kafka")
    for service in services:
        system.wait_for(service, "healthy")


def test_a_worker_of_any_user_joins_on_a_root_that_nobody_can_write(system: System) -> None:
    worker = DockerContainer(system.images.outbox).with_command(["worker"])
    worker.with_kwargs(user="4242", read_only=True, network=system.network)
    worker.with_env("OUTBOX_KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")
    worker.with_env("OUTBOX_WORKER_NAME", "worker-of-somebody")
    with worker:
        container = worker.get_wrapped_container()

        def health() -> str:
            container.reload()
            return str(container.attrs["State"]["Health"]["Status"])

        wait_until("it is healthy", health, lambda seen: seen == "healthy", seconds=120)
        plan = planned(system, seed=7)
        with application(system) as engine:
            run(plan, engine, threads=2)
        wait_for_bills(system, plan)


def test_after_all_that_reconciliation_finds_nothing(system: System) -> None:
    def verdict() -> tuple[int, object]:
        code, found = system.outbox_json("reconcile")
        return code, {name: found[name] for name in ("verdict", "missing", "duplicate")}

    clean = (0, {"verdict": "clean", "missing": 0, "duplicate": 0})
    wait_until("it is clean", verdict, lambda seen: seen == clean, seconds=120)


@pytest.mark.parametrize(
    "service", ["worker-1", "ledger-writer", "connector-keeper", "scheduler", "console", "connect"]
)
def test_it_leaves_in_order_when_it_is_told_to(system: System, service: str) -> None:
    began = time.monotonic()
    system.container(service).stop(timeout=STOP_SECONDS)
    assert time.monotonic() - began < STOP_SECONDS
    assert system.inspected(service)["State"]["ExitCode"] in {0, 143}
