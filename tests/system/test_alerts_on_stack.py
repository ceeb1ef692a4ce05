"""The alerts on a running stack: none while all is well, each soon after what it is for."""

import os
import signal
import time
from contextlib import suppress

import pytest

from tests.running_stack import RunningStack
from tests.system.prometheus_server import Prometheus
from tests.waiting import wait_until

NOTICED_SECONDS = 15
BACK_SECONDS = 120
QUIET_SECONDS = 20
DEATHS = 3

# What tells that a process is gone: Prometheus itself, or those of ours that need it.
ALERTS = {
    "postgres": "OutboxDatabaseUnreachable",
    "kafka": "OutboxKafkaUnreachable",
    "connect": "OutboxConnectorNotRunning",
    "worker-1": "OutboxProcessDown",
    "ledger-writer": "OutboxProcessDown",
    "connector-keeper": "OutboxProcessDown",
    "scheduler": "OutboxProcessDown",
    "console": "OutboxProcessDown",
}
OURS = [name for name, alert in ALERTS.items() if alert == "OutboxProcessDown"]


def kill(stack: RunningStack, name: str) -> None:
    """Kill a process, if it runs just now; the supervisor starts it again."""
    pid = stack.pid(name)
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def wait_until_well(stack: RunningStack, prometheus: Prometheus) -> None:
    """Return once every process is healthy, and none is called down, blind or not ready."""
    wait_until(
        "every process is healthy",
        lambda: [name for name, each in stack.processes().items() if not each.healthy],
        lambda ill: not ill,
        BACK_SECONDS,
    )
    wait_until(
        "each process of ours is scraped",
        lambda: prometheus.query('up{job="outbox"} == 1'),
        lambda up: len(up) == len(OURS),
    )
    expected = {*ALERTS.values(), "OutboxProcessNotReady", "OutboxFault", "OutboxSlotInactive"}
    wait_until("it is quiet", prometheus.firing, lambda firing: not firing & expected, BACK_SECONDS)


@pytest.mark.timeout(300)
def test_nothing_is_told_of_a_stack_that_works(stack: RunningStack, prometheus: Prometheus) -> None:
    wait_until_well(stack, prometheus)
    deadline = time.monotonic() + QUIET_SECONDS
    while time.monotonic() < deadline:
        assert prometheus.alerts() == []
        time.sleep(1)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", list(ALERTS))
def test_a_process_that_is_killed_is_told_within_15_seconds_and_no_more_once_it_is_back(
    stack: RunningStack, prometheus: Prometheus, name: str
) -> None:
    wait_until_well(stack, prometheus)

    def is_told(alerts: list[dict[str, dict[str, str]]]) -> bool:
        return any(
            alert["labels"]["alertname"] == ALERTS[name]
            and (ALERTS[name] != "OutboxProcessDown" or alert["labels"]["instance"] == name)
            for alert in alerts
        )

    def alerts_while_it_dies() -> list[dict[str, dict[str, str]]]:
        # However often it is started: a start that succeeds is no outage.
        kill(stack, name)
        return prometheus.alerts()

    told = wait_until(f"{name} is told", alerts_while_it_dies, is_told, NOTICED_SECONDS)
    assert all("{{" not in str(alert["annotations"]) for alert in told)
    wait_until_well(stack, prometheus)


@pytest.mark.timeout(400)
def test_what_dies_again_and_again_is_told_although_it_is_there(
    stack: RunningStack, prometheus: Prometheus
) -> None:
    starts = 'process_start_time_seconds{instance="scheduler"}'
    for _ in range(DEATHS):
        (before,) = wait_until("it is scraped", lambda: prometheus.query(starts), bool)
        kill(stack, "scheduler")
        wait_until(
            "its successor is scraped",
            lambda: prometheus.query(f"{starts} != {before['value'][1]}"),  # noqa: B023 - at once
            bool,
        )
    wait_until_well(stack, prometheus)
    wait_until(
        "its restarts are told",
        prometheus.firing,
        lambda firing: "OutboxProcessRestarting" in firing,
        NOTICED_SECONDS,
    )
