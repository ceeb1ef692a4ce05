"""The suite's application: processes that a fault may kill, and transactions of a fault's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.types.json import Jsonb

from infra.local.layout import project_directory
from infra.local.supervision import HOME_MARK, PROCESS_MARK
from tests.faults.driver import Order, kill_switch
from tests.faults.journal import Journal, WrittenEvent, journal_path
from tests.faults.lane import MOMENTS, Lane
from tests.faults.stories import Event, StoryTeller, Transaction, session_event
from tests.faults.workload import prices

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from random import Random

    from tests.running_stack import RunningStack

PROCESSES = 2
SHORT_LANES = 3
OWN_LANE = "campaign"
RESTART_SECONDS = 0.3
KILL_SECONDS = 20.0
STOP_SECONDS = 60.0
LAST_WORDS = 200
"""Lanes that break at once print among each other: the first one's reason is still among them."""


@dataclass
class Application:
    """Started, it writes its plan at its rate until stopped; what dies of it is started again.

    `commit`, `hold`, `roll_back` and `refused` are transactions of a fault's own, in this process,
    noted in the journal like all others. Whatever of an event is not of domain_events but seen
    in Kafka all the same (a poison record with an id) is to be told by `expect_stranger`, and where
    a record lies that is to become an exception by `expect_poison`. `failures` says which of its
    processes ended by themselves: then it did not write what it was told to.
    """

    stack: RunningStack
    directory: Path
    seed: int
    events_per_second: float
    strangers: set[str] = field(default_factory=set)
    poison: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    refused_events: int = 0
    restarts: int = 0
    begun_at: float = 0.0
    ended_at: float = 0.0

    def __post_init__(self) -> None:
        (self.directory / "journals").mkdir(parents=True, exist_ok=True)
        self._order = Order(
            seed=self.seed,
            url=self.stack.address("app_database_url"),
            journals=str(self.journals),
            switches=str(self.directory),
            events_per_second=self.events_per_second,
            processes=PROCESSES,
            short_lanes=SHORT_LANES,
        )
        self._order.write(self.directory / "order.json")
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._stopping = threading.Event()
        self._watch = threading.Thread(target=self._keep_running, name="application", daemon=True)
        self._lock = threading.Lock()
        self._own_lanes = 0

    @property
    def journals(self) -> Path:
        """The folder of all journals."""
        return self.directory / "journals"

    def start(self) -> None:
        """Set the prices and start writing."""
        self.set_prices(prices())
        self.begun_at = time.monotonic()
        for process in range(PROCESSES):
            self._processes[process] = self._started(process)
        self._watch.start()

    def stop(self) -> None:
        """Finish the transactions in hand and end."""
        self._stopping.set()
        if self._watch.is_alive():
            self._watch.join()
        for process in self._processes.values():
            process.terminate()
        for number, process in self._processes.items():
            try:
                code = process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.failures.append(f"application process {number} did not stop when asked to")
                process.kill()
                process.wait()
            else:
                # One that began a moment ago is ended by the signal itself.
                self._note_end(number, code, 0, -signal.SIGTERM)
        self.ended_at = time.monotonic()

    @property
    def lanes(self) -> list[tuple[str, float]]:
        """Every lane of its processes, with its events a second."""
        return [lane for process in range(PROCESSES) for lane in self._order.lanes(process)]

    def kill(self, moment: str, random: Random) -> str:
        """Let one process die at a moment of lane.MOMENTS; return what was done."""
        assert moment in MOMENTS, f"{moment!r} is no moment of a transaction"
        number = random.randrange(PROCESSES)
        victim = self._processes[number]
        switch = kill_switch(self._order, number)
        new = switch.with_suffix(".new")
        new.write_text(moment)
        new.rename(switch)
        try:
            victim.wait(KILL_SECONDS)
        finally:
            switch.unlink(missing_ok=True)
        return f"application process {number} (pid {victim.pid}) killed {moment}"

    def commit(
        self, events: Sequence[Event], pays: Sequence[str] = (), *, held_seconds: float = 0.0
    ) -> list[WrittenEvent]:
        """Commit rows in one transaction, however long the database is away; return them."""
        return self._carry_out(Transaction(tuple(events), tuple(pays), held_seconds=held_seconds))

    def roll_back(
        self, events: Sequence[Event], *, held_seconds: float = 0.0
    ) -> list[WrittenEvent]:
        """Insert rows and roll them back; return them."""
        return self._carry_out(Transaction(tuple(events), (), False, held_seconds))  # noqa: FBT003

    def interleave(
        self,
        first: Sequence[Event],
        second: Sequence[Event],
        seconds: float,
        pays: Sequence[str] = (),
    ) -> None:
        """Insert `first`, insert and commit `second`, and commit `first` only after `seconds`.

        `pays` is payable once both are committed.
        """
        with ThreadPoolExecutor(1) as pool:
            holder = pool.submit(self.commit, first, pays, held_seconds=seconds)
            time.sleep(seconds / 2)
            self.commit(second)
            holder.result()

    def refused(self, event: Event) -> str:
        """Insert what the database must refuse; return its words."""
        with psycopg.connect(self.stack.address("app_database_url"), autocommit=True) as connection:
            try:
                connection.execute(
                    "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload) "
                    "VALUES (%s, %s, %s, %s)",
                    [
                        event.aggregate_type,
                        event.aggregate_id,
                        event.event_type,
                        Jsonb(event.payload),
                    ],
                )
            except psycopg.OperationalError:
                raise
            except psycopg.DatabaseError as error:
                self.refused_events += 1
                return str(error)
        raise AssertionError(f"the database took {event.event_type} of {event.aggregate_id}")

    def completed(self, random: Random, **changes: Any) -> Event:
        """Return the completion of a new session; `changes` are of its payload."""
        name = f"fault-{uuid.UUID(int=random.getrandbits(128))}"
        payload = StoryTeller(random, name).completed(name, **changes)
        return session_event("completed", payload)

    def set_prices(self, rows: Iterable[tuple[str, str, int, str, str]]) -> None:
        """Insert prices, as the owner of the tables: mentor, code, amount, currency, from when.

        Those that are there stay: an application that goes on has set them before.
        """
        with psycopg.connect(self.stack.address("database_url")) as owner, owner.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO mentor_prices VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                list(rows),
            )

    def expect_stranger(self, event_id: str) -> None:
        """Note an id that is in Kafka, or in a receipt, without ever having been committed."""
        self.strangers.add(event_id)

    def expect_poison(self, topic: str, partition: int, offset: int) -> None:
        """Note where in Kafka a record lies that cannot be read."""
        self.poison.add(f"{topic}[{partition}]@{offset}")

    def _carry_out(self, transaction: Transaction) -> list[WrittenEvent]:
        with self._lock:
            self._own_lanes += 1
            name = f"{OWN_LANE}{self._own_lanes}"
        journal = Journal(journal_path(self.journals, name, 0), name)
        lane = Lane(name, self.stack.address("app_database_url"), journal, self._stopping.wait)
        try:
            return lane.carry_out(0, transaction)
        finally:
            lane.close()
            journal.close()

    def _started(self, process: int) -> subprocess.Popen[bytes]:
        log = (self.directory / f"application-{process}.log").open("ab")
        order = str(self.directory / "order.json")
        with log:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.faults.driver", order, str(process)],
                env={**os.environ, **self._marks(process)},
                cwd=project_directory(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _keep_running(self) -> None:
        while not self._stopping.wait(RESTART_SECONDS):
            for number, process in list(self._processes.items()):
                code = process.poll()
                if code is not None:
                    self._note_end(number, code, -signal.SIGKILL)
                    self.restarts += 1
                    self._processes[number] = self._started(number)

    def _marks(self, process: int) -> dict[str, str]:
        """Return by what a sweep of the stack finds a process, should this one be killed."""
        home = str(self.stack.layout.home)
        return {HOME_MARK: home, PROCESS_MARK: f"application-{process}"}

    def _note_end(self, process: int, code: int, *expected: int) -> None:
        if code not in expected:
            log = self.directory / f"application-{process}.log"
            last = " ".join(log.read_text(errors="replace").split()[-LAST_WORDS:])
            said = f"application process {process} ended with exit code {code}: {last}"
            self.failures.append(said)
