"""Samples, twice a second, what an operator would see: the status, the backlog, the slot."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from tests.faults.backlog import Backlog
    from tests.faults.evidence import Evidence
    from tests.running_stack import RunningStack

SAMPLE_SECONDS = 0.5
SLOT = "SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'outbox_events'"
MISSING, UNKNOWN = "missing", "unknown"
COMPLAINS_RIGHTLY = "scheduler"
"""The application contradicts itself by plan, and some mentors have no price: the scheduler finds
that at every reconciliation and says so, with a fault or without one."""


class Monitor(threading.Thread):
    """Writes samples into the evidence until stopped."""

    def __init__(self, stack: RunningStack, backlog: Backlog, evidence: Evidence) -> None:
        super().__init__(name="monitor", daemon=True)
        self._stack = stack
        self._backlog = backlog
        self._evidence = evidence
        self._stopping = threading.Event()
        self._connection: psycopg.Connection | None = None
        self.unhealthy: tuple[str, ...] = ()
        self.samples = 0

    def run(self) -> None:
        """Sample until told to stop."""
        while not self._stopping.is_set():
            begun_at = time.monotonic()
            self.sample()
            spent = time.monotonic() - begun_at
            self._stopping.wait(max(0.0, SAMPLE_SECONDS - spent))
        if self._connection is not None:
            self._connection.close()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        self.join()

    def sample(self) -> None:
        """Look once."""
        at = time.monotonic()
        processes = self._stack.processes().values()
        unhealthy = tuple(
            process.name
            for process in processes
            if not process.healthy and process.name != COMPLAINS_RIGHTLY
        )
        waiting = self._backlog.waiting()
        counts = (len(waiting.events), len(waiting.subjects), self._backlog.oldest_seconds())
        slot = self._slot()
        row = (at, time.monotonic(), ", ".join(unhealthy), *counts, slot)
        self._evidence.insert("samples", [row])
        self.unhealthy = unhealthy
        self.samples += 1

    def _slot(self) -> str:
        try:
            if self._connection is None:
                self._connection = psycopg.connect(
                    self._stack.address("admin_database_url"),
                    autocommit=True,
                    connect_timeout=2,
                    application_name="faults-monitor",
                )
            row = self._connection.execute(SLOT).fetchone()
        except psycopg.Error:
            self._connection = None
            return UNKNOWN
        return MISSING if row is None else str(row[0])
