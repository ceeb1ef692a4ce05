"""The scheduler as a process: it answers at once, is red when nothing succeeds, ends on TERM."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.processes import Process, free_port, running

PATIENCE_SECONDS = 60


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def scheduler(tmp_path: Path, port: int) -> Iterator[Process]:
    """One that reaches nothing, and is impatient."""
    settings = {
        "HOME": str(tmp_path),
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "STATE_DIRECTORY": str(tmp_path / "state"),
        "HEALTH_PORT": str(port),
        "RECONCILE_KAFKA_TIMEOUT_SECONDS": "1",
        "SCHEDULER_FIRST_SECONDS": "0",
        "SCHEDULER_RECONCILE_SECONDS": "0.5",
        "SCHEDULER_RECONCILE_LIMIT_SECONDS": "3",
    }
    with running("operations.scheduler", settings) as process:
        yield process


def test_a_scheduler_that_reaches_nothing_is_red_and_says_why(
    scheduler: Process, port: int
) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    faults = ""
    while "reconcile has not succeeded" not in faults or "cannot be read" not in faults:
        assert time.monotonic() < deadline, faults
        assert scheduler.poll() is None
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/health", timeout=5)
        except httpx.TransportError:
            continue
        faults = str(answer.json()["faults"])
        assert answer.status_code == (503 if answer.json()["faults"] else 200)
        time.sleep(0.2)
    scheduler.send_signal(signal.SIGTERM)
    assert scheduler.wait(PATIENCE_SECONDS) == 0
