"""The processes that a rebuild must stop: those of the local stack, which it can start again."""

import contextlib
import shutil
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from infra.local.credentials import load_credentials
from infra.local.exclusive import alone
from infra.local.layout import Layout, layout_from_environment
from infra.local.programs import LEDGER_WRITER
from infra.local.status import STOPPED
from infra.local.supervision import Supervisor
from operations.failures import ProblemError
from schemas.brokers import Brokers

_STOP_SECONDS = 40.0
_POLL_SECONDS = 0.1
_WORKERS = "worker-"


@dataclass(slots=True)
class LocalProcesses:
    """The workers and the ledger writer of the local stack; `stopped` were stopped here."""

    layout: Layout
    supervisor: Supervisor
    stopped: list[str] = field(default_factory=list)

    def stop_workers(self) -> list[str]:
        """Stop every stream processor, and return their names."""
        return self._stop(name for name in self._names() if name.startswith(_WORKERS))

    def stop_ledger_writer(self) -> list[str]:
        """Stop the ledger writer, and return its name."""
        return self._stop([LEDGER_WRITER])

    def drop_state(self) -> None:
        """Delete the local copies of the stopped workers, and what they know of deadly records."""
        for name in self.stopped:
            if name.startswith(_WORKERS):
                shutil.rmtree(self.layout.state / name, ignore_errors=True)

    def start_again(self) -> list[str]:
        """Start what was stopped here; return the names."""
        started = list(self.stopped)
        for name in started:
            self.supervisor.start(name)
            self.stopped.remove(name)
        return started

    def _stop(self, names: Iterator[str] | Collection[str]) -> list[str]:
        # Noted before: whatever interrupts, they are started again.
        stopping = list(names)
        self.stopped += [name for name in stopping if name not in self.stopped]
        deadline = time.monotonic() + _STOP_SECONDS
        while not self._are_stopped(stopping):
            if time.monotonic() > deadline:
                raise ProblemError(
                    f"{', '.join(stopping)} did not stop in {_STOP_SECONDS:.0f} s. `outbox status` "
                    "shows how they are; then run the same command again."
                )
            self.supervisor.stop(stopping, _STOP_SECONDS)
            time.sleep(_POLL_SECONDS)
        return stopping

    def _are_stopped(self, names: Collection[str]) -> bool:
        """Whether supervisord will not start them again.

        One that has just died cannot be stopped: it is started first.
        """
        states = {process.name: process.state for process in self.supervisor.processes()}
        return all(states.get(name) == STOPPED for name in names)

    def _names(self) -> Iterator[str]:
        return (process.name for process in self.supervisor.processes())


@contextlib.contextmanager
def local_processes(brokers: Brokers) -> Iterator[LocalProcesses | None]:
    """Give the processes of the local stack, if it is the one whose Kafka this is, else None.

    Meanwhile no `outbox up` starts what is stopped. What was stopped is started in the end,
    whatever happens. Raises BusyError where another command is at work on the stack.
    """
    layout = layout_from_environment()
    credentials = load_credentials(layout.secrets)
    if credentials is None or layout.kafka_bootstrap_servers != brokers.addresses:
        yield None
        return
    supervisor = Supervisor(layout, credentials.supervisor)
    with alone(layout.home, "rebuild"):
        if not supervisor.is_answering():
            yield None
            return
        processes = LocalProcesses(layout, supervisor)
        try:
            yield processes
        finally:
            processes.start_again()
