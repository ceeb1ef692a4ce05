"""The stack that the run has to itself."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.local.credentials import load_credentials
from infra.local.environment import require_environment
from infra.local.layout import DEFAULT_PORT_BASE, Layout, project_directory
from infra.local.programs import POSTGRES
from infra.local.stack import bring_up, take_down
from infra.local.status import process_statuses
from infra.local.supervision import Supervisor
from infra.local.sweep import running_processes
from operations.output import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import psutil

    from infra.local.credentials import Credentials

PORT_BASE = DEFAULT_PORT_BASE + 500
_STOP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class BenchmarkStack:
    """A stack of which all runs, or PostgreSQL alone."""

    layout: Layout
    workers: int

    def everything(self) -> None:
        """Run all of it, as `outbox up` does."""
        bring_up(self.layout, workers=self.workers, report=say)

    def restart(self) -> None:
        """Stop all of it and run it again, on the data that is there."""
        take_down(self.layout)
        self.everything()

    def postgres_alone(self) -> None:
        """Stop what a publisher of the report does not have: it costs time also when it idles."""
        self.stop_all_but(POSTGRES)

    def stop_all_but(self, *names: str) -> None:
        """Stop the other processes."""
        others = [each.name for each in process_statuses(self.layout) if each.name not in names]
        self._supervisor.stop(others, _STOP_SECONDS)

    def start(self, name: str) -> None:
        """Start a process that was stopped."""
        self._supervisor.start(name)

    def address(self, name: str) -> str:
        """Return what `outbox env` says of a name."""
        value = require_environment(self.layout)[name]
        if value is None:
            raise LookupError(f"the stack has no {name}")
        return value

    @property
    def role_passwords(self) -> Mapping[str, str]:
        """The passwords of the database's roles."""
        return self._credentials.roles

    def processes(self) -> dict[str, psutil.Process]:
        """Return every process that runs, by its name; their supervisor is one of them."""
        return running_processes(self.layout)

    @property
    def _supervisor(self) -> Supervisor:
        return Supervisor(self.layout, self._credentials.supervisor)

    @property
    def _credentials(self) -> Credentials:
        credentials = load_credentials(self.layout.secrets)
        if credentials is None:
            raise LookupError(f"there is no stack in {self.layout.home}")
        return credentials


@contextmanager
def benchmark_stack(port_base: int, workers: int) -> Iterator[BenchmarkStack]:
    """Start a fresh stack, and delete it afterwards."""
    layout = Layout(project_directory() / f".outbox-bench-{port_base}", port_base)
    take_down(layout, purge=True)
    stack = BenchmarkStack(layout, workers)
    try:
        stack.everything()
        yield stack
    finally:
        take_down(layout, purge=True)
