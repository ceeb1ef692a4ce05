"""The application's API: in a thread of the test's, or as its own process, as it is started."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from producer_app.api.server import address_of, listen, server_of
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastapi import FastAPI

STOP_SECONDS = 20


@contextmanager
def served(application: FastAPI) -> Iterator[httpx.Client]:
    """Serve from a thread on a free port; a client to it, which waits as long as a test may."""
    listening = listen(0)
    server = server_of(application)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        wait_until("the API is served", lambda: server.started, is_so=bool)
        with httpx.Client(base_url=address_of(listening), timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(STOP_SECONDS)


@dataclass(frozen=True, slots=True)
class ApiProcess:
    """A running API; `log` is all that it writes."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path


def start_api(log: Path, **settings: object) -> subprocess.Popen[bytes]:
    """Start it with these settings alone, named as in the environment, without OUTBOX_."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("OUTBOX_")}
    own = {f"OUTBOX_{name.upper()}": str(value) for name, value in settings.items()}
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "producer_app.api"],
            env={**inherited, **own},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


@contextmanager
def running_api(database_url: str, log: Path, **settings: object) -> Iterator[ApiProcess]:
    """Serve on a free port until the end."""
    log.write_bytes(b"")
    process = start_api(log, app_database_url=database_url, api_port=0, **settings)

    def address() -> str | None:
        assert process.poll() is None, log.read_text()
        found = re.search("^Listening on (.+)$", log.read_text(), re.MULTILINE)
        return None if found is None else found[1]

    try:
        url = wait_until("the API listens", address, is_so=lambda found: found is not None)
        assert url is not None
        yield ApiProcess(url, process, log)
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)
