"""One `outbox up` or `outbox down` at a time on one OUTBOX_HOME."""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from infra.local.errors import BusyError

PATIENCE_SECONDS = 90.0
POLL_SECONDS = 0.1


def _try_lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: TextIO) -> tuple[str, int]:
    """Return the verb at work and its process id; ("", 0) while it has not said so yet."""
    file.seek(0)
    words = file.read().split()
    return (words[0], int(words[1])) if len(words) == len(("verb", "pid")) else ("", 0)


@contextlib.contextmanager
def _held(file: TextIO, verb: str) -> Iterator[None]:
    file.seek(0)
    file.truncate()
    file.write(f"{verb} {os.getpid()}")
    file.flush()
    try:
        yield
    finally:
        file.seek(0)
        file.truncate()


def _open(home: Path) -> TextIO:
    home.mkdir(parents=True, exist_ok=True)
    return (home / "lock").open("a+")


@contextlib.contextmanager
def alone(home: Path, verb: str) -> Iterator[None]:
    """Hold the home's lock; raises BusyError if another command holds it."""
    with _open(home) as file:
        if not _try_lock(file):
            other, pid = _holder(file)
            raise BusyError(
                f"`outbox {other}` (process {pid}) is at work on {home}. Wait until it is done, "
                "or end it with `outbox down`."
            )
        with _held(file, verb):
            yield


def _interrupt(other: str, pid: int) -> None:
    """Tell an `up` or a `rebuild` to leave things as before and end; a `down` is let finish."""
    if other in {"up", "rebuild"}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


@contextlib.contextmanager
def alone_at_last(home: Path, verb: str) -> Iterator[None]:
    """Hold the home's lock, ending what holds it but a `down`; raises BusyError after long."""
    with _open(home) as file:
        deadline = time.monotonic() + PATIENCE_SECONDS
        told = 0
        while not _try_lock(file):
            other, pid = _holder(file)
            if pid and pid != told:
                _interrupt(other, pid)
                told = pid
            if time.monotonic() > deadline:
                raise BusyError(
                    f"`outbox {other}` (process {pid}) has been at work on {home} for "
                    f"{PATIENCE_SECONDS:.0f} s. End it by `kill -9 {pid}`, then try again."
                )
            time.sleep(POLL_SECONDS)
        with _held(file, verb):
            yield
