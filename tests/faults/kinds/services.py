"""Faults of Kafka Connect and of the Kafka broker."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.faults.acting import SEEN_SECONDS, Act, connect_page, down, pause, send, stopped, verb
from tests.faults.site import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.site import Site


def _killed(name: str) -> Callable[[Site], Outcome]:
    return lambda site: Outcome(f"SIGKILL of {name}, pid {send(site, name, signal.SIGKILL)}")


def _ended(name: str) -> Callable[[Site], Outcome]:
    return lambda site: Outcome(f"SIGTERM of {name}, pid {send(site, name, signal.SIGTERM)}")


def _stopped(
    name: str, shortest_seconds: float, longest_seconds: float
) -> Callable[[Site], Outcome]:
    def run(site: Site) -> Outcome:
        with stopped(site, name) as pid:
            seconds = pause(site, shortest_seconds, longest_seconds)
        return Outcome(
            f"{name}, pid {pid}, stopped for {seconds:.1f} s", red=seconds > SEEN_SECONDS or None
        )

    return run


def _down(name: str) -> Callable[[Site], Outcome]:
    """Long enough that whoever needs it gives up more than one request."""

    def run(site: Site) -> Outcome:
        with down(site, name):
            site.struck()
            seconds = pause(site, SEEN_SECONDS, 2 * SEEN_SECONDS)
            site.repairs()
        return Outcome(f"{name} down for {seconds:.1f} s", red=True)

    return run


def _configured_again(site: Site) -> Outcome:
    """Change the configuration under the running task, then change it back."""
    wanted = connect_page(site, "GET", "/config").json()
    changed = {**wanted, "poll.interval.ms": str(site.random.choice((3, 7, 11)))}
    connect_page(site, "PUT", "/config", json=changed)
    seconds = pause(site, 0, 4)
    verb(site, "connectors", "apply")
    return Outcome(f"configuration PUT, and after {seconds:.1f} s applied as defined")


def _task_restarted(site: Site) -> Outcome:
    connect_page(site, "POST", "/tasks/0/restart")
    return Outcome("the task restarted by Connect")


FAULTS = (
    Act("connect: SIGKILL", "connect", _killed("connect")),
    Act("connect: SIGTERM", "connect", _ended("connect")),
    Act("connect: SIGSTOP, SIGCONT", "connect", _stopped("connect", 2, 20)),
    Act("connect: down", "connect", _down("connect")),
    Act("connect: configuration PUT", "connect", _configured_again),
    Act("connect: task restarted", "connect", _task_restarted),
    Act("kafka: SIGKILL", "kafka", _killed("kafka")),
    Act("kafka: SIGTERM", "kafka", _ended("kafka")),
    Act("kafka: SIGSTOP, SIGCONT", "kafka", _stopped("kafka", 2, 15)),
    Act("kafka: down", "kafka", _down("kafka")),
    Act("postgres: down", "postgres", _down("postgres")),
)
