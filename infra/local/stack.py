"""The local stack as a whole: `bring_up` and `take_down`."""

import contextlib
import shutil
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from infra.local.connect import connect_program, prepare_connect, write_connector_secrets
from infra.local.credentials import Credentials, ensure_credentials
from infra.local.environment import write_environment
from infra.local.errors import DiskFullError, StackError
from infra.local.exclusive import alone, alone_at_last
from infra.local.files import write_private
from infra.local.jars import ensure_jars
from infra.local.kafka import has_data, kafka_program
from infra.local.layout import Layout, numbers
from infra.local.owner import PostgresOwner, postgres_owner, public_directory
from infra.local.ports import require_free
from infra.local.postgres import DATABASE, installation, postgres_program
from infra.local.processors import (
    connector_keeper_program,
    console_program,
    ledger_writer_program,
    notifications_program,
    notified,
    scheduler_program,
    worker_program,
)
from infra.local.programs import Program, broker_name, notifies, stack_endpoints
from infra.local.shape import MAXIMUM_BROKERS, Shape, keep_shape, known_shape
from infra.local.shutdown import stop_all
from infra.local.startup import Report, Startup
from infra.local.supervision import Supervisor
from infra.local.sweep import sweep
from infra.local.training import ensure_java_caches
from infra.local.waiting import Waiter

FREE_BYTES_NEEDED = 2 * 1024**3
CONNECTOR_ROLE = "outbox_connector"
ALL_BROKERS = numbers(MAXIMUM_BROKERS)
MORE_STAGES = 3  # topics and the connector, which are no processes; nobody to notify


def _require_room(directory: Path) -> None:
    """Raise DiskFullError if the stack could soon stand still for want of room."""
    free = shutil.disk_usage(directory).free
    if free < FREE_BYTES_NEEDED:
        raise DiskFullError(
            f"{directory} has {free / 1024**3:.1f} GiB free, but the stack needs "
            f"{FREE_BYTES_NEEDED / 1024**3:.0f} GiB. Free some, or set OUTBOX_HOME to a folder on "
            "another disk."
        )


def _require_ports(layout: Layout, workers: int, running: Sequence[str]) -> None:
    """Raise PortTakenError if a port of a process that is yet to start is taken."""
    ports = {
        endpoint.name: endpoint.port
        for endpoint in stack_endpoints(layout, workers)
        if endpoint.name not in running
    }
    if not running:
        for number in numbers(layout.broker_count):
            ports[f"the controller of {broker_name(number)}"] = layout.controller_port(number)
        ports["supervisord"] = layout.supervisor_port
    require_free(ports)


def _programs(
    layout: Layout, credentials: Credentials, owner: PostgresOwner, jars: Path, workers: int
) -> list[Program]:
    return [
        postgres_program(owner),
        *(kafka_program(layout, jars, number) for number in numbers(layout.broker_count)),
        *(connect_program(layout, jars, number) for number in numbers(layout.connect_worker_count)),
        *(worker_program(layout, number) for number in numbers(workers)),
        ledger_writer_program(layout, credentials),
        connector_keeper_program(layout, credentials),
        scheduler_program(layout, credentials),
        console_program(layout, credentials),
        *([notifications_program(layout)] if notifies(layout) else []),
    ]


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let a second Ctrl-C not break off the cleaning up after the first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = {
        number: signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _chosen_shape(layout: Layout, workers: int | None) -> Shape:
    """Return what was asked for, else what there was; raises StackError if it cannot be."""
    known = known_shape(layout.home)
    workers = known.workers if workers is None else workers
    chosen = Shape(layout.broker_count, layout.connect_worker_count, workers)
    chosen.check()
    if chosen.brokers != known.brokers and any(map(partial(has_data, layout), ALL_BROKERS)):
        raise StackError(
            f"The stack in {layout.home} has data on {known.brokers} of its own broker(s), each of "
            f"them a controller; {chosen.brokers} cannot take them over. Start it with --brokers "
            f"{known.brokers}; or delete its data with `outbox down --purge`, or set OUTBOX_HOME "
            "to another folder, and start anew."
        )
    return chosen


def _choose_notified(layout: Layout) -> None:
    """Note whom to notify: whoever is named by this start's environment, and nobody else."""
    if names := notified():
        write_private(layout.notifications, "\n".join([*names, ""]))
    else:
        layout.notifications.unlink(missing_ok=True)


def _make_folders(layout: Layout) -> None:
    """Create what only we may read; the home itself must let PostgreSQL's user through."""
    for folder in (layout.logs, layout.kafka, layout.connect, layout.state, layout.supervisor):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def prepare(
    layout: Layout,
    credentials: Credentials,
    supervisor: Supervisor,
    shape: Shape,
    report: Report,
) -> Startup:
    """Put every file in place that needs no process: jars, folders, configurations."""
    _require_room(layout.home)
    _make_folders(layout)
    jars = ensure_jars()
    if not supervisor.is_answering():
        # Never while it runs: a new cache is a changed command, which would restart Kafka.
        ensure_java_caches(layout.home, jars, report)
    owner = postgres_owner(layout.home, installation())
    _require_room(owner.directory)
    password = credentials.roles[CONNECTOR_ROLE]
    write_connector_secrets(layout, DATABASE, CONNECTOR_ROLE, password)
    prepare_connect(layout, jars)
    supervisor.configure(_programs(layout, credentials, owner, jars, shape.workers))
    keep_shape(layout.home, shape)
    waiter = Waiter(layout, supervisor)
    return Startup(layout, credentials, owner, jars, supervisor, waiter, report)


def _start(startup: Startup, workers: int, *, was_up: bool) -> list[str]:
    """Start what does not run; on any error stop it all, unless it was up before."""
    with ThreadPoolExecutor(len(stack_endpoints(startup.layout, workers)) + MORE_STAGES) as pool:
        try:
            if was_up:
                startup.supervisor.apply()
            else:
                startup.supervisor.launch()
            return startup.run(pool, workers)
        except BaseException:
            with _undisturbed():
                startup.waiter.cancel()
                if not was_up:
                    stop_all(startup.layout)
            raise


def bring_up(layout: Layout, workers: int | None = None, report: Report = print) -> list[str]:
    """Start the whole stack, or what of it is not running, and return once all is healthy.

    ``workers`` None keeps their number (1 at first); how many brokers and Connect workers, the
    layout says. Returns faults that a person must look at
    although everything runs. Raises StackError, or whatever a stage raised; then, and when
    interrupted, everything is stopped again, unless the stack was up before. Data stays.
    """
    with alone(layout.home, "up"):
        chosen = _chosen_shape(layout, workers)
        _choose_notified(layout)
        credentials = ensure_credentials(layout.secrets)
        supervisor = Supervisor(layout, credentials.supervisor)
        was_up = supervisor.is_answering()
        if not was_up and (left := sweep(layout)):
            report(f"stopped what an earlier run had left: {', '.join(left)}")
        running = [row.name for row in supervisor.processes() if row.pid] if was_up else []
        _require_ports(layout, chosen.workers, running)
        startup = prepare(layout, credentials, supervisor, chosen, report)
        faults = _start(startup, chosen.workers, was_up=was_up)
        write_environment(layout, credentials)
        return faults


def take_down(layout: Layout, *, purge: bool = False) -> list[str]:
    """Stop everything, always; with ``purge`` delete all data too. Returns the names of what ran.

    An `outbox up` that is at work is interrupted. Raises BusyError if it does not end.
    """
    if layout.home.exists():
        with alone_at_last(layout.home, "down"):
            stopped = stop_all(layout)
    else:
        stopped = sweep(layout)
    if purge:
        for directory in (layout.home, public_directory(layout.home)):
            if directory.exists():
                shutil.rmtree(directory)
    return stopped
