"""What the faults are made of: signals to processes by name, and waits that end."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

import httpx
import psycopg

from connectors.client import worker_urls
from infra.local.connect import secrets_file, write_connector_secrets
from infra.local.credentials import Credentials, load_credentials
from infra.local.postgres import DATABASE
from infra.local.stack import CONNECTOR_ROLE
from infra.local.status import known_workers
from infra.local.supervision import UNREACHABLE, Supervisor
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from infra.local.layout import Layout
    from tests.faults.site import Outcome, Site

CONNECTOR = "outbox-events"
SLOT = "outbox_events"
# Patience, not expectation: a busy machine starts a Java in a minute.
PROCESS_SECONDS = 120.0
HEALTHY_SECONDS = 240.0
MOVED_SECONDS = 120.0
# A look at a process that stands still takes 4 s, and another may just have begun.
SEEN_SECONDS = 10.0
_LOOK_SECONDS = 0.05
_PAGE_SECONDS = 2.0


@dataclass(frozen=True)
class Act:
    """A fault that is one function."""

    kind: str
    group: str
    act: Callable[[Site], Outcome]
    repair: bool = False
    rebuild: bool = False

    def run(self, site: Site) -> Outcome:
        """Do it; whatever it armed is disarmed, whatever it did to the link is healed."""
        try:
            return self.act(site)
        finally:
            site.failpoints.disarm()
            site.proxy.heal()


def credentials(layout: Layout) -> Credentials:
    """Return the passwords of the suite's stack."""
    found = load_credentials(layout.secrets)
    assert found is not None, f"there is no stack in {layout.home}"
    return found


def supervisor(site: Site) -> Supervisor:
    """Return the supervisor of the suite's stack."""
    return Supervisor(site.stack.layout, credentials(site.stack.layout).supervisor)


def workers(site: Site) -> list[str]:
    """Return the names of the workers that the stack has now."""
    return [f"worker-{number}" for number in range(1, known_workers(site.stack.layout) + 1)]


def any_worker(site: Site) -> str:
    """Choose one of the workers."""
    return site.random.choice(workers(site))


def pid_now(site: Site, name: str) -> int | None:
    """Return a process's id, None while it does not run."""
    try:
        processes = supervisor(site).processes()
    except UNREACHABLE:
        return None
    return next((each.pid for each in processes if each.name == name), None)


def pid_of(site: Site, name: str, other_than: int | None = None) -> int:
    """Return a process's id, waiting until it has one (another one than `other_than`)."""
    pid = wait_until(
        f"{name} runs",
        lambda: pid_now(site, name),
        lambda pid: pid is not None and pid != other_than,
        PROCESS_SECONDS,
    )
    assert pid is not None
    return pid


def send(site: Site, name: str, number: signal.Signals) -> int:
    """Send a signal to a process; return its id."""
    while True:
        pid = pid_of(site, name)
        # It may have died of another fault a moment ago; then it has another id soon.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            return pid
        time.sleep(_LOOK_SECONDS)


@contextlib.contextmanager
def stopped(site: Site, name: str) -> Iterator[int]:
    """Stop a process as it is (SIGSTOP); it goes on at the end, whatever happens."""
    pid = send(site, name, signal.SIGSTOP)
    try:
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def down(site: Site, name: str) -> Iterator[None]:
    """Take a process down, so that nobody starts it again; it is started at the end."""
    supervisor(site).stop([name], PROCESS_SECONDS)
    try:
        yield
    finally:
        supervisor(site).start(name)


def go_on(site: Site, name: str) -> None:
    """Let a process that stopped itself go on."""
    pid = pid_now(site, name)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def wait_for_death(site: Site, name: str, pid: int) -> None:
    """Return once a process that was asked to end is gone, and another runs."""
    pid_of(site, name, other_than=pid)


def wait_healthy(site: Site, *names: str, seconds: float = HEALTHY_SECONDS) -> None:
    """Return once these processes do their work."""
    wait_until(
        f"{', '.join(names)} healthy",
        site.stack.processes,
        lambda processes: all(processes[name].healthy for name in names),
        seconds,
    )


def health(site: Site, name: str) -> dict[str, Any]:
    """Return what a process says on its health page; empty where it says nothing."""
    layout = site.stack.layout
    ports = {
        "ledger-writer": layout.ledger_writer_port,
        "connector-keeper": layout.connector_keeper_port,
        **{worker: layout.worker_port(int(worker.split("-")[1])) for worker in workers(site)},
    }
    try:
        page = httpx.get(f"http://127.0.0.1:{ports[name]}/health", timeout=_PAGE_SECONDS).json()
    except (httpx.HTTPError, ValueError):
        return {}
    return dict(page)


def assignment(site: Site, name: str) -> set[str]:
    """Return the partitions that a worker has and whose state is whole."""
    return set(health(site, name).get("assignment") or ())


def connect_page(site: Site, method: str, path: str, **content: Any) -> httpx.Response:
    """Ask a worker of Connect, then the next, again and again; in a rebalance each answers 409."""
    workers = cycle(worker_urls(site.stack.address("connect_url")))

    def ask() -> httpx.Response | None:
        url = f"{next(workers)}/connectors/{CONNECTOR}{path}"
        try:
            return httpx.request(method, url, timeout=20, **content)
        except httpx.HTTPError:
            return None

    answer = wait_until(
        f"Connect answers {method} {path}",
        ask,
        lambda answer: answer is not None and answer.status_code < httpx.codes.BAD_REQUEST,
        PROCESS_SECONDS,
    )
    assert answer is not None
    return answer


def admin(site: Site) -> psycopg.Connection:
    """Return a connection of the superuser, each statement its own transaction."""
    return psycopg.connect(
        site.stack.address("admin_database_url"), autocommit=True, connect_timeout=10
    )


def point_connector_at_proxy(site: Site) -> None:
    """Let Connect find PostgreSQL behind the proxy: `outbox up` writes the server's own port."""
    route_connector(site.stack.layout, site.proxy.port)


def route_connector(layout: Layout, port: int) -> None:
    """Write the connector's secrets, with another port of PostgreSQL; read at its next start."""
    password = credentials(layout).roles[CONNECTOR_ROLE]
    write_connector_secrets(layout, DATABASE, CONNECTOR_ROLE, password)
    file = secrets_file(layout)
    text = file.read_text()
    straight = f"database.port={layout.postgres_port}\n"
    assert straight in text, f"{file} names no port of PostgreSQL"
    file.write_text(text.replace(straight, f"database.port={port}\n"))


def verb(site: Site, *arguments: str, codes: tuple[int, ...] = (0,), timeout: float = 180) -> str:
    """Run `outbox` as the operator would; returns what it printed, or fails with it."""
    code, out, err = site.stack.outbox(*arguments, timeout=timeout)
    said = f"outbox {' '.join(arguments)}: exit {code}: {out[-1500:]}{err[-1500:]}"
    assert code in codes, said
    site.log(said.splitlines()[0][:200])
    return out + err


def pause(site: Site, shortest_seconds: float, longest_seconds: float) -> float:
    """Let a while pass that the seed chooses; return it."""
    seconds = site.random.uniform(shortest_seconds, longest_seconds)
    time.sleep(seconds)
    return seconds


def through_the_proxy(site: Site) -> int:
    """Return how many connections the proxy has; a connector that goes round it is sent back."""
    if not site.proxy.connections:
        point_connector_at_proxy(site)
        verb(site, "connectors", "restart")
    return wait_until(
        "the connector reads through the proxy",
        lambda: site.proxy.connections,
        lambda connections: connections > 0,
        HEALTHY_SECONDS,
    )
