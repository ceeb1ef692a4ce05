"""`outbox events tail` as a process of its own, and the lines that it has printed by now."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from infra.local.layout import project_directory
from tests.running_stack import outbox_command
from tests.waiting import wait_until

SECONDS = 40
"""How long a line may take: other tests may use all of the machine meanwhile."""


class Tail:
    """A running tail, its lines read as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: list[str] = []
        self._said: list[str] = []
        for stream, lines in ((process.stdout, self._lines), (process.stderr, self._said)):
            assert stream is not None
            threading.Thread(target=_read, args=(stream, lines), daemon=True).start()

    def rows(self) -> list[dict[str, Any]]:
        """Each object that was printed so far."""
        return [json.loads(line) for line in list(self._lines)]

    def states(self, aggregate_id: str) -> list[tuple[str, str, str]]:
        """What was printed of one aggregate's events: news, status, billing."""
        return [
            (row["news"], row["status"], row["billing"])
            for row in self.rows()
            if row["aggregate_id"] == aggregate_id
        ]

    def told(self) -> str:
        """What was said on standard error so far."""
        return "".join(self._said)

    def wait(self, what: str, is_so: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Wait until what was printed is so."""
        wait_until(what, self.rows, is_so, SECONDS)

    def wait_for(self, *aggregate_ids: str) -> None:
        """Wait until an event of each aggregate was printed."""
        wanted = set(aggregate_ids)
        self.wait(
            f"{wanted} is shown", lambda rows: wanted <= {row["aggregate_id"] for row in rows}
        )


def _read(stream: IO[str], lines: list[str]) -> None:
    lines.extend(stream)


@contextmanager
def tailing(database_url: str, *options: str) -> Iterator[Tail]:
    """Follow the events of a database until the block ends, and as JSON."""
    process = subprocess.Popen(
        outbox_command("events", "tail", "--output", "json", *options),
        env={**os.environ, "OUTBOX_DATABASE_URL": database_url},
        cwd=project_directory(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Tail(process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
