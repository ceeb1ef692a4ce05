"""The real local stack, for the tests that need all of it."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.local.credentials import load_credentials
from infra.local.environment import require_environment
from infra.local.layout import Layout, project_directory
from infra.local.stack import bring_up, take_down
from infra.local.status import ProcessStatus, process_statuses
from infra.local.supervision import Supervisor
from schemas.brokers import Brokers

DEFAULT_PORT_BASE = "26400"
PORTS_OF_A_PROCESS = 500
COMMAND_SECONDS = 120
STOP_SECONDS = 60
# Tests leave in the books of their stack what reconciliation rightly complains of.
PATIENT_SCHEDULER = {"OUTBOX_SCHEDULER_FAULT_SECONDS": "86400"}


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A stack of the test session's own; ``environment`` is what `outbox env` prints."""

    layout: Layout
    environment: Mapping[str, str | None]

    def address(self, name: str) -> str:
        """One of its addresses, by its name in `outbox env`."""
        address = self.environment[name]
        assert address is not None, f"the stack has no {name}"
        return address

    @property
    def brokers(self) -> Brokers:
        """Its Kafka, as clients of ours take it."""
        return self.layout.brokers

    def processes(self) -> dict[str, ProcessStatus]:
        """Each process as it is now, by name."""
        return {process.name: process for process in process_statuses(self.layout)}

    def pid(self, name: str) -> int | None:
        """The process id of one of its processes; None while it does not run."""
        return {each.name: each.pid for each in self._supervisor().processes()}[name]

    def stop(self, *names: str) -> None:
        """Stop processes so that nobody starts them again."""
        self._supervisor().stop(names, STOP_SECONDS)

    @contextmanager
    def stopped(self, *names: str) -> Iterator[None]:
        """Stop processes, and start them again in the end."""
        self.stop(*names)
        try:
            yield
        finally:
            for name in names:
                self._supervisor().start(name)

    def _supervisor(self) -> Supervisor:
        credentials = load_credentials(self.layout.secrets)
        assert credentials is not None
        return Supervisor(self.layout, credentials.supervisor)

    def outbox(
        self,
        *arguments: str,
        timeout: float = COMMAND_SECONDS,
        settings: Mapping[str, str] | None = None,
    ) -> tuple[int, str, str]:
        """Run the command line as a person would: exit code, standard output, standard error."""
        return run_outbox(self.layout, *arguments, timeout=timeout, settings=settings)


def command_environment(layout: Layout) -> dict[str, str]:
    """The environment of a command that is to use the stack of ``layout`` and no other."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("OUTBOX_")}
    kept = {key: value for key, value in os.environ.items() if key == "OUTBOX_MAVEN_REPOSITORY"}
    own = {"OUTBOX_HOME": str(layout.home), "OUTBOX_PORT_BASE": str(layout.port_base)}
    return {**inherited, **kept, **PATIENT_SCHEDULER, **own}


def outbox_command(*arguments: str) -> list[str]:
    """The command line of `outbox`, by the Python that runs the tests."""
    return [sys.executable, "-m", "operations.main", *arguments]


def run_outbox(
    layout: Layout,
    *arguments: str,
    timeout: float = COMMAND_SECONDS,
    settings: Mapping[str, str] | None = None,
) -> tuple[int, str, str]:
    """Run `outbox` against a layout: exit code, standard output, standard error."""
    finished = subprocess.run(
        outbox_command(*arguments),
        env={**command_environment(layout), **(settings or {})},
        cwd=project_directory(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return finished.returncode, finished.stdout, finished.stderr


def session_port_base() -> int:
    """The first port of this test process; another OUTBOX_TEST_PORT_BASE lets two sessions run."""
    base = int(os.environ.get("OUTBOX_TEST_PORT_BASE") or DEFAULT_PORT_BASE)
    # gw0, gw1, …: the processes that share out the tests of one session.
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return base + process * PORTS_OF_A_PROCESS


def session_layout() -> Layout:
    """Where the stack of this test process lies."""
    base = session_port_base()
    suffix = "" if str(base) == DEFAULT_PORT_BASE else f"-{base}"
    return Layout(Path(project_directory()) / f".outbox-test{suffix}", base)


@contextmanager
def running_stack(layout: Layout, workers: int = 1) -> Iterator[RunningStack]:
    """A stack without any earlier data; whatever happens, it is taken down afterwards."""
    take_down(layout, purge=True)
    try:
        os.environ.update(PATIENT_SCHEDULER)
        faults = bring_up(layout, workers, report=lambda stage: sys.stderr.write(f"{stage}\n"))
        assert not faults, faults
        yield RunningStack(layout, require_environment(layout))
    finally:
        take_down(layout)
