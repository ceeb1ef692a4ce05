"""The stack that faults act on: fresh, with a proxy before PostgreSQL and failpoints put in."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local.layout import Layout, project_directory
from tests.faults.failpoints import Failpoints
from tests.faults.proxy import Proxy
from tests.running_stack import DEFAULT_PORT_BASE, running_stack, session_port_base

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.running_stack import RunningStack

PORTS_AFTER_THE_SESSIONS = 70
PROXY_PORT = 62  # after the base; the stack's own end before
WORKERS = 2
SETTINGS = {"OUTBOX_SCHEDULER_WINDOW_HOURS": "0.25"}
"""The application contradicts itself by plan, so that the window does not move on: at its default
length every run of the scheduler would read all events again."""


@dataclass(frozen=True, slots=True)
class Hosting:
    """A running stack and what the suite has put around it; `directory` is the suite's own."""

    stack: RunningStack
    proxy: Proxy
    failpoints: Failpoints
    directory: Path


def fault_layout(brokers: int = 1, connect_workers: int = 1) -> Layout:
    """Where the suite's stack lies; another OUTBOX_TEST_PORT_BASE lets two suites run."""
    session = session_port_base()
    suffix = "" if str(session) == DEFAULT_PORT_BASE else f"-{session}"
    home = Path(project_directory()) / f".outbox-faults{suffix}"
    return Layout(home, session + PORTS_AFTER_THE_SESSIONS, brokers, connect_workers)


@contextlib.contextmanager
def fault_stack(layout: Layout, workers: int = WORKERS) -> Iterator[Hosting]:
    """Start it without any earlier data; whatever happens, it is taken down, and its data kept."""
    failpoints = Failpoints(layout.home / "failpoints")
    with (
        _environment({**failpoints.environment(), **SETTINGS}),
        Proxy(layout.port_base + PROXY_PORT, layout.postgres_port) as proxy,
        running_stack(layout, workers) as stack,
    ):
        directory = layout.home / "faults"
        directory.mkdir()
        yield Hosting(stack, proxy, failpoints, directory)


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Add variables to this process's environment, which every process of the stack inherits."""
    earlier = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in earlier.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
