"""One PostgreSQL server of several: what a test does to it, and asks it."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.waiting import wait_until

STOP_SECONDS = 30.0
SLOT = "outbox_events"
_SYNCHRONIZED = """
    SELECT to_jsonb(slot) FROM pg_replication_slots AS slot
    WHERE slot_name = 'outbox_events' AND synced AND failover AND NOT temporary
      AND invalidation_reason IS NULL
"""


@dataclass
class Server:
    """One running server; `url` is the superuser's, to it alone."""

    name: str
    port: int
    data: Path
    process: subprocess.Popen[bytes]
    url: str

    def query(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run a statement as superuser, each in its own transaction; return its rows."""
        with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def configure(self, **settings: str) -> None:
        """Set parameters that need no restart; an empty text is PostgreSQL's own ''."""
        for name, value in settings.items():
            self.query(f"ALTER SYSTEM SET {name} = '{value}'")
        self.query("SELECT pg_reload_conf()")

    def kill(self) -> None:
        """End it as a machine that loses its power: kill -9, and nobody starts it again."""
        processes = [psutil.Process(self.process.pid)]
        processes += processes[0].children(recursive=True)
        for process in processes:
            process.send_signal(signal.SIGKILL)
        psutil.wait_procs(processes, timeout=STOP_SECONDS)
        self.process.wait(STOP_SECONDS)

    def promote(self) -> None:
        """Make a standby the server that is written to."""
        assert self.query("SELECT pg_promote(true, 60)") == [(True,)]

    @contextmanager
    def not_receiving(self) -> Iterator[None]:
        """Let this standby stand still: it receives nothing, and tells nobody."""
        ((pid,),) = self.query("SELECT pid FROM pg_stat_wal_receiver")
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it in good order, if it runs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(STOP_SECONDS)


def is_synchronized(standby: Server) -> bool:
    """Whether the connector's slot is on a standby as it must be to survive its promotion."""
    return bool(standby.query(_SYNCHRONIZED))


def wait_until_synchronized(primary: Server, standby: Server) -> None:
    """Wait for the slot; a note of the running transactions lets it be copied soon."""

    def probe() -> bool:
        primary.query("SELECT pg_log_standby_snapshot()")
        return is_synchronized(standby)

    wait_until(f"slot {SLOT} is synchronized on {standby.name}", probe, is_so=bool)
