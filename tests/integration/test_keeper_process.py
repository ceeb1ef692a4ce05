"""The keeper as a process: it answers at once, is red while it reaches nothing, ends on TERM."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.processes import Process, free_port, running
from tests.waiting import wait_until

PATIENCE_SECONDS = 60


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a service that takes connections and never says a word, as a stopped one does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def keeper(tmp_path: Path, port: int, silent: int) -> Iterator[Process]:
    """One that nobody answers."""
    settings = {
        "HOME": str(tmp_path),
        "CONNECT_URL": "http://127.0.0.1:1",
        "DATABASE_URL": f"postgresql://nobody@127.0.0.1:{silent}/nothing",
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{silent}",
        "HEALTH_PORT": str(port),
    }
    with running("operations.keeper", settings) as process:
        yield process


def test_a_keeper_that_nobody_answers_is_red_and_names_each_service(
    keeper: Process, port: int
) -> None:
    def faults() -> dict[str, str]:
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/health", timeout=5)
        except httpx.TransportError:
            return {}
        assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
        found: dict[str, str] = answer.json()["faults"]
        return found

    found = wait_until(
        "it names all three",
        faults,
        lambda told: told.keys() >= {"outbox-events", "postgres", "kafka"},
        PATIENCE_SECONDS,
    )
    assert "postgres has not told" in found["postgres"]
    assert "Kafka at 127.0.0.1:" in found["kafka"]
    assert keeper.poll() is None
    keeper.send_signal(signal.SIGTERM)
    assert keeper.wait(PATIENCE_SECONDS) == 0
