"""Finding and stopping the processes of a stack, whether or not supervisord still lives."""

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator

import psutil

from infra.local.layout import Layout
from infra.local.owner import cluster_directories
from infra.local.postgres import server_of
from infra.local.supervision import HOME_MARK, PROCESS_MARK

GRACE_SECONDS = 20.0
KILL_SECONDS = 10.0
SUPERVISORD = "supervisord"


def _marked(layout: Layout) -> Iterator[tuple[str, psutil.Process]]:
    """Return processes whose environment says that they are this stack's, each with its name."""
    for process in psutil.process_iter():
        # Other users' processes, and those that end meanwhile, tell us nothing.
        with contextlib.suppress(psutil.Error, OSError):
            environment = process.environ()
            if environment.get(HOME_MARK) == str(layout.home) and process.pid != os.getpid():
                yield environment.get(PROCESS_MARK, SUPERVISORD), process


def _all(layout: Layout) -> list[tuple[str, psutil.Process]]:
    """Every process of the stack with its name; children bear their parent's.

    PostgreSQL writes its title over its environment, so that its mark cannot be read.
    """
    found = list(_marked(layout))
    for directory in cluster_directories(layout.home):
        server = server_of(directory / "data")
        if server is not None:
            found.append(("postgres", server))
    return found


def running_processes(layout: Layout) -> dict[str, psutil.Process]:
    """Return the stack's processes by name, `supervisord` among them."""
    oldest: dict[str, psutil.Process] = {}
    for name, process in _all(layout):
        # A child carries its parent's mark, and is the younger of them.
        if name not in oldest or process.create_time() < oldest[name].create_time():
            oldest[name] = process
    return oldest


def _ask_to_stop(name: str, process: psutil.Process) -> None:
    """Send what ends it in good order: PostgreSQL's fast shutdown is INT, else TERM."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
        # One that was stopped (SIGSTOP) hears it only now.
        process.resume()


def _kill(processes: Iterable[psutil.Process]) -> None:
    """End them at once and wait until they are gone."""
    victims = list(processes)
    for process in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(victims, timeout=KILL_SECONDS)


def sweep(layout: Layout, grace_seconds: float = GRACE_SECONDS) -> list[str]:
    """Stop every process of the stack that still runs and return their names.

    supervisord dies first, that it restart nothing; the rest is asked to stop, and killed after
    ``grace_seconds``.
    """
    _kill(process for name, process in _marked(layout) if name == SUPERVISORD)
    left = _all(layout)
    for name, process in left:
        _ask_to_stop(name, process)
    psutil.wait_procs([process for _, process in left], timeout=grace_seconds)
    _kill(process for _, process in _all(layout))
    return sorted({name for name, _ in left})
