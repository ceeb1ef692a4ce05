"""A process of the stack by itself, with settings of a test's own."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO

from infra.local.layout import project_directory

Process = subprocess.Popen[bytes]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        number: int = probe.getsockname()[1]
        return number


@contextmanager
def running(
    module: str, settings: Mapping[str, str], output: IO[bytes] | None = None
) -> Iterator[Process]:
    """Run a module until the block ends; `settings` without their OUTBOX_."""
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        env={**os.environ, **{f"OUTBOX_{name}": value for name, value in settings.items()}},
        cwd=project_directory(),
        stdout=output,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
