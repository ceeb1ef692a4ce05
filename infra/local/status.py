"""How each process of the stack is, also when it is down."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from infra.local.credentials import load_credentials
from infra.local.health import Answer, ask
from infra.local.layout import Layout
from infra.local.postgres import SUPERUSER, database_url
from infra.local.programs import Endpoint, stack_endpoints
from infra.local.shape import known_shape
from infra.local.supervision import UNREACHABLE, Supervised, Supervisor
from infra.local.sweep import running_processes

STOPPED = "stopped"
STARTING = "starting"
RUNNING = "running"
UNSUPERVISED = "unsupervised"


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process. ``pid`` is the real process's, None while there is none.

    ``state`` is supervisord's word in lower case (running, starting, backoff, stopped, …), or
    `unsupervised` for a process that runs although supervisord is gone. What does its work is
    `running` at once; supervisord says so when it next looks, a second or two after the start.
    ``healthy`` says whether it does its work: it was asked just now. ``complaints`` is what it says
    is wrong with the system, also where that is no reason to call the process itself ill.
    """

    name: str
    pid: int | None
    state: str
    healthy: bool
    address: str
    health_url: str | None
    metrics_url: str | None
    log: str
    complaints: tuple[str, ...] = ()

    @property
    def runs(self) -> bool:
        """Whether there is a process at all; of one elsewhere the id is not known."""
        return self.pid is not None or self.state == RUNNING

    @property
    def is_well(self) -> bool:
        """Whether it runs, looked after, and does its work."""
        return self.healthy and self.state == RUNNING


def known_workers(layout: Layout) -> int:
    """How many workers the last `outbox up` was asked for."""
    return known_shape(layout.home).workers


def _supervised(supervisor: Supervisor) -> dict[str, Supervised]:
    """Return what supervisord says; nothing if it does not answer."""
    try:
        return {process.name: process for process in supervisor.processes()}
    except UNREACHABLE:
        return {}


def process_statuses(layout: Layout) -> list[ProcessStatus]:
    """Every process that belongs to the stack, running or not."""
    endpoints = stack_endpoints(layout, known_workers(layout))
    credentials = load_credentials(layout.secrets)
    if credentials is None:
        return [_status(layout, endpoint, None, STOPPED, healthy=False) for endpoint in endpoints]
    supervised = _supervised(Supervisor(layout, credentials.supervisor))
    # Only the table of processes knows what a dead supervisord has left running.
    orphans = {} if supervised else running_processes(layout)
    admin_url = database_url(layout, SUPERUSER, credentials.superuser)

    def look(endpoint: Endpoint) -> ProcessStatus:
        known = supervised.get(endpoint.name)
        orphan = orphans.get(endpoint.name)
        if known is not None:
            pid, state = known.pid, known.state
        elif orphan is not None:
            pid, state = orphan.pid, UNSUPERVISED
        else:
            pid, state = None, STOPPED
        answer = Answer(healthy=False) if pid is None else ask(endpoint, admin_url)
        if answer.healthy and state == STARTING:
            state = RUNNING
        status = _status(layout, endpoint, pid, state, healthy=answer.healthy)
        return replace(status, complaints=answer.complaints)

    with ThreadPoolExecutor(len(endpoints)) as pool:
        return list(pool.map(look, endpoints))


def _status(
    layout: Layout, endpoint: Endpoint, pid: int | None, state: str, *, healthy: bool
) -> ProcessStatus:
    return ProcessStatus(
        name=endpoint.name,
        pid=pid,
        state=state,
        healthy=healthy,
        address=endpoint.address,
        health_url=endpoint.health_url,
        metrics_url=endpoint.metrics_url,
        log=str(layout.log(endpoint.name)),
    )
