"""What the local stack's processes tell of themselves, and the scheduler of its last runs."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence

from infra.local.files import tail
from infra.local.layout import Layout
from infra.local.programs import SCHEDULER
from infra.local.status import RUNNING, STOPPED, UNSUPERVISED, ProcessStatus
from operations.doctor.finding import Finding, age, fault, fine, warning
from operations.scheduler.timetable import Run, read_runs

_COMMAND = re.compile(r"`(outbox [^`]+)`")
_LOG_LINES = 40


def processes(layout: Layout, statuses: Sequence[ProcessStatus]) -> Iterator[Finding]:
    """Whether every process runs and does its work."""
    ill = [
        status
        for status in statuses
        if (not status.healthy or status.state != RUNNING)
        # What the scheduler complains of is told by its own lines.
        and not (status.name == SCHEDULER and status.complaints)
    ]
    for status in ill:
        yield _ill(layout, status)
    if not ill:
        yield fine("processes", f"{len(statuses)} run and are healthy")


def _ill(layout: Layout, status: ProcessStatus) -> Finding:
    if status.state == UNSUPERVISED:
        text = f"{status.name} runs without a supervisor: what dies stays dead"
        return fault("processes", text, "`outbox down`, then `outbox up`")
    if status.state == STOPPED:
        return fault("processes", f"{status.name} is stopped", "`outbox up`")
    if status.complaints:
        # It does its work, which is to complain.
        text = f"{status.name} is not healthy: {'; '.join(status.complaints)}"
        return fault("processes", " ".join(text.split()), command_in(text) or "`outbox up`")
    text = f"{status.name} is {status.state}, and not healthy"
    # What ends itself for a good reason says in its log how to go on.
    said = command_in(tail(layout.log(status.name), _LOG_LINES))
    remedy = said or "`outbox up` waits for it, and shows the end of its log if it does not come"
    return fault("processes", text, f"{remedy}; its log: {status.log}")


def command_in(text: str) -> str | None:
    """Return the last command of ours that a message names."""
    found = _COMMAND.findall(text)
    return f"`{found[-1]}`" if found else None


def scheduler(layout: Layout, statuses: Sequence[ProcessStatus]) -> Iterator[Finding]:
    """Whether what is done every minute and every day was done, and what it found."""
    runs = read_runs(layout.state / SCHEDULER)
    (status,) = [status for status in statuses if status.name == SCHEDULER]
    if status.pid is None:
        text = f"it does not run; {_last(runs)}"
        yield fault("scheduler", text, "`outbox up`")
        return
    for complaint in status.complaints:
        # Its faults make it unhealthy, and stand among the processes already.
        level = warning if status.healthy else fault
        yield level("scheduler", complaint, command_in(complaint) or "`outbox status`")
    if not status.complaints:
        yield fine("scheduler", _last(runs))


def _last(runs: Mapping[str, Run]) -> str:
    """Say when each task last succeeded, and what it came to."""
    now = time.time()
    said = [
        f"{name} {age(now - run.succeeded_at)} ago: {run.outcome.verdict}"
        for name, run in sorted(runs.items())
        if run.succeeded_at is not None and run.outcome is not None
    ]
    return "; ".join(said) or "nothing was run yet"
