"""Stream processors as processes: sharing partitions, leaving, being stale, dying of a record."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from infra.local.credentials import load_credentials
from infra.local.supervision import Supervisor
from tests.end_to_end.books import Books
from tests.running_stack import RunningStack
from tests.waiting import wait_until

# The worker as it is, but for one record that ends any process that decodes it, as a fault in
# native code would.
DEADLY_WORKER = """
import os, signal
from schemas import codec
decode_event = codec.decode_event
def decode_or_die(event_type, value):
    if value is not None and b"deadly" in value:
        os.kill(os.getpid(), signal.SIGKILL)
    return decode_event(event_type, value)
codec.decode_event = decode_or_die
from stream_processors.worker import main
main()
"""
PARTITIONS = {
    f"{topic}[{number}]"
    for topic in ("events.session", "billing.package-sessions")
    for number in range(4)
}


def assignment(stack: RunningStack, name: str) -> set[str]:
    """The partitions that a worker has and whose state is whole; none if it is not ready."""
    url = stack.processes()[name].health_url
    assert url is not None
    try:
        health = httpx.get(url, timeout=5).json()
    except httpx.TransportError:
        return set()
    return set(health["assignment"] or ())


@contextmanager
def two_workers(stack: RunningStack) -> Iterator[None]:
    code, _, err = stack.outbox("up", "--workers", "2")
    assert code == 0, err
    try:
        wait_until(
            "both workers share the partitions",
            lambda: (assignment(stack, "worker-1"), assignment(stack, "worker-2")),
            is_so=lambda both: both[0] | both[1] == PARTITIONS and all(both),
        )
        yield
    finally:
        code, _, err = stack.outbox("up", "--workers", "1")
        assert code == 0, err


def kill(stack: RunningStack, name: str, number: signal.Signals) -> None:
    pid = stack.processes()[name].pid
    assert pid is not None
    os.kill(pid, number)


@pytest.mark.timeout(300)
def test_two_workers_share_the_partitions_and_a_killed_one_takes_up_its_own_again(
    books: Books,
) -> None:
    with two_workers(books.stack):
        before = assignment(books.stack, "worker-2")
        assert not before & assignment(books.stack, "worker-1")
        for number in range(40):
            books.insert(books.course(f"s{number:02}", 20, f"package-{number % 2}"))
            if number == 20:
                kill(books.stack, "worker-2", signal.SIGKILL)
        bills = books.wait_for_bills(2)
        assert [len(bill["session_ids"]) for bill in bills] == [20, 20]
        wait_until(
            "the killed worker has its partitions again",
            lambda: assignment(books.stack, "worker-2"),
            is_so=lambda assigned: assigned == before,
        )


@pytest.mark.timeout(300)
def test_a_stale_worker_that_wakes_after_its_partitions_moved_spoils_no_package(
    books: Books,
) -> None:
    with two_workers(books.stack):
        packages = [f"package-{number}" for number in range(8)]
        for package in packages:
            books.insert(books.course(f"{package}-s1", 3, package))
        kill(books.stack, "worker-2", signal.SIGSTOP)
        try:
            for package in packages:
                books.insert(books.course(f"{package}-s2", 3, package))
            wait_until(
                "worker-1 has taken over everything",
                lambda: assignment(books.stack, "worker-1"),
                is_so=lambda assigned: assigned == PARTITIONS,
            )
        finally:
            kill(books.stack, "worker-2", signal.SIGCONT)
        for package in packages:
            books.insert(books.course(f"{package}-s3", 3, package))
        bills = books.wait_for_bills(len(packages))
        assert {len(bill["session_ids"]) for bill in bills} == {3}
        assert len({bill["service_package_id"] for bill in bills}) == len(packages)


def test_a_worker_that_is_asked_to_end_finishes_its_batch_and_leaves_in_order(
    books: Books,
) -> None:
    before = books.stack.processes()["worker-1"].pid
    for number in range(30):
        books.insert(books.completed(f"s{number}"))
    kill(books.stack, "worker-1", signal.SIGTERM)
    assert len({bill["session_id"] for bill in books.wait_for_bills(30)}) == 30
    wait_until(
        "another worker runs",
        lambda: books.stack.processes()["worker-1"],
        is_so=lambda process: process.healthy and process.pid != before,
    )


@pytest.mark.timeout(300)
def test_a_record_that_kills_its_worker_three_times_is_set_apart_alone_and_the_rest_goes_on(
    books: Books,
) -> None:
    layout = books.stack.layout
    credentials = load_credentials(layout.secrets)
    assert credentials is not None
    supervisor = Supervisor(layout, credentials.supervisor)
    supervisor.stop(["worker-1"], 60)
    environment = {
        **os.environ,
        "OUTBOX_KAFKA_BOOTSTRAP_SERVERS": layout.kafka_bootstrap_servers,
        "OUTBOX_STATE_DIRECTORY": str(layout.state / "worker-1"),
        "OUTBOX_HEALTH_PORT": str(layout.worker_port(1)),
        "OUTBOX_WORKER_NAME": "worker-1",
    }
    deadly = json.dumps(books.completed("s1", note="deadly")).encode()
    # The same key: the same partition, right behind it.
    position = books.pretend(deadly, books.id("s2"))
    books.insert(books.completed("s2"))
    exits = []
    try:
        for _ in range(4):
            worker = subprocess.Popen([sys.executable, "-c", DEADLY_WORKER], env=environment)
            try:
                exits.append(worker.wait(45) if len(exits) < 3 else _alive(worker, books))
            finally:
                worker.kill()
                worker.wait()
    finally:
        supervisor.start("worker-1")
    assert exits == [-signal.SIGKILL] * 3 + [None]
    exception = books.wait_for_exception(position, "unprocessable", "failed")
    assert "died 3 times" in exception["last_error"]
    assert "deadly" in exception["record"]["value"]
    assert len(books.bills()) == 1


def _alive(worker: subprocess.Popen[bytes], books: Books) -> int | None:
    """Wait until the other event is billed; return the worker's exit code, None if it lives."""
    books.wait_for_bills(1)
    time.sleep(1)
    return worker.poll()
