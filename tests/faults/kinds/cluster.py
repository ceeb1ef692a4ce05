"""Faults of a stack with several brokers and Connect workers: whoever is in charge goes."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

from infra.local.kafka import data_directory
from infra.local.layout import numbers
from infra.local.programs import broker_name, connect_name
from tests.faults.acting import SEEN_SECONDS, Act, connect_page, pause, send, stopped
from tests.faults.positions import kafka
from tests.faults.site import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.site import Fault, Site

IN_USE = (
    "events.session",
    "billing.package-sessions",
    "billing.payables",
    "outbox-billing-session_facts-changelog",
)
_ANSWER_SECONDS = 60
_QUORUM = "__cluster_metadata-0/quorum-state"

Chosen = tuple[str, str]
"""A process's name, and what it is in charge of."""


def leader(site: Site) -> Chosen:
    """Choose the broker that leads a partition that everything passes through."""
    topic = site.random.choice(IN_USE)
    partitions = kafka(site).list_topics(topic, timeout=_ANSWER_SECONDS).topics[topic].partitions
    number = site.random.choice(sorted(partitions))
    return broker_name(partitions[number].leader), f"leads {topic}[{number}]"


def controller(site: Site) -> Chosen:
    """Return the broker whose controller is the active one, as the quorum has noted it."""
    layout = site.stack.layout
    noted = [
        json.loads((data_directory(layout, number) / _QUORUM).read_text())
        for number in numbers(layout.broker_count)
    ]
    newest = max(noted, key=lambda state: (state["leaderEpoch"], state["leaderId"]))
    return broker_name(newest["leaderId"]), f"is the controller of epoch {newest['leaderEpoch']}"


def task_holder(site: Site) -> Chosen:
    """Return the worker of Connect that runs the connector's task."""
    worker = connect_page(site, "GET", "/status").json()["tasks"][0]["worker_id"]
    layout = site.stack.layout
    names = {
        layout.connect_address(number).removeprefix("http://"): connect_name(number)
        for number in numbers(layout.connect_worker_count)
    }
    return names[worker], "holds the task"


def _killed(choose: Callable[[Site], Chosen]) -> Callable[[Site], Outcome]:
    def run(site: Site) -> Outcome:
        name, charge = choose(site)
        return Outcome(f"SIGKILL of {name}, which {charge}, pid {send(site, name, signal.SIGKILL)}")

    return run


def _stopped(choose: Callable[[Site], Chosen]) -> Callable[[Site], Outcome]:
    """Long enough, mostly, that others take over; then it goes on as if nothing had been."""

    def run(site: Site) -> Outcome:
        name, charge = choose(site)
        with stopped(site, name) as pid:
            seconds = pause(site, 3, 15)
        return Outcome(
            f"{name}, which {charge}, pid {pid}, stopped for {seconds:.1f} s",
            red=seconds > SEEN_SECONDS or None,
        )

    return run


LEADER_KILLED = "kafka: SIGKILL of a leader"
TASK_HOLDER_KILLED = "connect: SIGKILL of the worker with the task"

OF_BROKERS: list[Fault] = [
    Act(LEADER_KILLED, "kafka", _killed(leader)),
    Act("kafka: SIGKILL of the controller", "kafka", _killed(controller)),
    Act("kafka: SIGSTOP, SIGCONT of a leader", "kafka", _stopped(leader)),
]
OF_CONNECT_WORKERS: list[Fault] = [
    Act(TASK_HOLDER_KILLED, "connect", _killed(task_holder)),
    Act("connect: SIGSTOP, SIGCONT of the worker with the task", "connect", _stopped(task_holder)),
]
