"""Debian's Prometheus, scraping the stack of this test process by the configuration we write."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from infra.monitoring.configuration import write_configuration
from tests.running_stack import RunningStack, session_port_base
from tests.waiting import wait_until

# Beyond the ports of the stack that this process may have.
_PORT_OFFSET = 400
STOP_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A server that runs; answers are those of its HTTP API."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Evaluate an expression now: each series with its labels and value."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=10)
        assert answer.status_code == httpx.codes.OK, f"{expression}: {answer.text}"
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        return {each["labels"]["alertname"] for each in self.alerts()}

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that fire, with labels and annotations."""
        answer = httpx.get(f"{self.url}/api/v1/alerts", timeout=10).json()
        return [each for each in answer["data"]["alerts"] if each["state"] == "firing"]

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


@contextmanager
def running_prometheus(program: str, stack: RunningStack, directory: Path) -> Iterator[Prometheus]:
    """Run Prometheus on loopback until the end, with its data in `directory`."""
    address = f"127.0.0.1:{session_port_base() + _PORT_OFFSET}"
    with (directory / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [
                program,
                *("--config.file", str(write_configuration(stack.layout))),
                *("--storage.tsdb.path", str(directory / "data")),
                *("--web.listen-address", address),
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            server = Prometheus(f"http://{address}")
            wait_until("Prometheus is ready", server.is_ready, bool)
            yield server
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)
