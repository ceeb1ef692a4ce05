"""The systems that are compared: what each runs, and where its application inserts."""

from __future__ import annotations

import subprocess
import sys
import uuid
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
from psycopg import sql

from benchmarks.side_by_side.application import (
    DOMAIN_EVENTS,
    EMITTER,
    NOTIFYING_OUTBOX,
    OUTBOX,
)
from benchmarks.side_by_side.broker import broker_program
from benchmarks.side_by_side.rabbit import rabbit_processes
from benchmarks.side_by_side.resources import Meter
from benchmarks.side_by_side.stages import note_append_times
from infra.local.programs import POSTGRES
from infra.postgres.migrate import apply_migrations, bootstrap
from operations.output import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from benchmarks.side_by_side.stack import BenchmarkStack
    from schemas.brokers import Brokers

    Others = Callable[[BenchmarkStack, str], AbstractContextManager[Mapping[str, psutil.Process]]]

_OUTBOX_TABLES = Path(__file__).with_name("outbox.sql")
_PUBLISHER = "benchmarks.side_by_side.publisher"


@dataclass(frozen=True, slots=True)
class Running:
    """A system at work. `meter` reads what is its own; `kafka`: its brokers, if any.

    `inserted_by`: an expression for the transaction that inserted an `event`. `poll_seconds`: how
    often it looks for events, where it does.
    """

    system: str
    into: str
    application_url: str
    admin_url: str
    events_table: str
    inserted_by: str
    meter: Meter
    kafka: Brokers | None = None
    poll_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class System:
    """How a publisher of the report is run.

    `publisher`: whether it has a process of its own, which looks for events every `poll_seconds`,
    or is woken. `others`: what else it runs for a database, by name.
    """

    name: str
    into: str
    publisher: bool = False
    poll_seconds: float | None = None
    others: Others = lambda *_: nullcontext({})

    @contextmanager
    def running(self, stack: BenchmarkStack) -> Iterator[Running]:
        """Run it in a database of its own, on a server where nothing else works."""
        stack.postgres_alone()
        with (
            _database(stack) as url,
            self.others(stack, url) as others,
            self._publisher(url) as publisher,
        ):
            processes = {POSTGRES: stack.processes()[POSTGRES], **others, **publisher}
            yield Running(
                self.name,
                self.into,
                url,
                url,
                "outbox_events",
                "event.inserted_by::xid",
                Meter(lambda: processes),
                poll_seconds=self.poll_seconds,
            )

    @contextmanager
    def _publisher(self, url: str) -> Iterator[dict[str, psutil.Process]]:
        """Run the publisher, if there is one; raise RuntimeError where it ends by itself."""
        if not self.publisher:
            yield {}
            return
        every = [] if self.poll_seconds is None else ["--every-seconds", str(self.poll_seconds)]
        process = subprocess.Popen([sys.executable, "-m", _PUBLISHER, url, *every])
        try:
            yield {"publisher": psutil.Process(process.pid)}
            if process.poll() is not None:
                raise RuntimeError(f"the publisher of {self.name} ended with {process.returncode}")
        finally:
            process.kill()
            process.wait()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """This pipeline, on the stack as `outbox up` starts it."""

    name: str = "this pipeline"

    @contextmanager
    def running(self, stack: BenchmarkStack) -> Iterator[Running]:
        """Run everything."""
        stack.everything()
        note_append_times(stack.layout.brokers)
        yield Running(
            self.name,
            DOMAIN_EVENTS,
            stack.address("app_database_url"),
            stack.address("admin_database_url"),
            "domain_events",
            "event.xmin",
            Meter(stack.processes),
            stack.layout.brokers,
        )


POLLING_30 = System("polling, every 30 s", OUTBOX, publisher=True, poll_seconds=30)
POLLING_1 = System("polling, every second", OUTBOX, publisher=True, poll_seconds=1)
NOTIFY = System("outbox woken by NOTIFY", NOTIFYING_OUTBOX, publisher=True)
RABBITMQ = System("outbox + RabbitMQ", NOTIFYING_OUTBOX, others=rabbit_processes)
IN_PROCESS = System("in-process emitter", EMITTER)
PIPELINE = Pipeline()
# The pipeline first: its connector would have to read through what the others write.
SYSTEMS: tuple[System | Pipeline, ...] = (
    PIPELINE, POLLING_30, POLLING_1, NOTIFY, RABBITMQ, IN_PROCESS,
)  # fmt: skip


def installed(systems: Iterable[System | Pipeline]) -> list[System | Pipeline]:
    """Leave out, and say so, what this machine has no program for."""
    chosen = list(systems)
    if RABBITMQ in chosen and broker_program() is None:
        say(f"{RABBITMQ.name} is left out: no rabbitmq-server here (apt-get install it).")
        chosen.remove(RABBITMQ)
    return chosen


@contextmanager
def _database(stack: BenchmarkStack) -> Iterator[str]:
    """Make a database with the pipeline's ledger and the report's outbox; drop it afterwards."""
    name = f"publisher_{uuid.uuid4().hex[:8]}"
    admin_url = stack.address("admin_database_url")
    bootstrap(admin_url, stack.role_passwords, name)
    url = psycopg.conninfo.make_conninfo(admin_url, dbname=name)
    try:
        apply_migrations(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_OUTBOX_TABLES.read_bytes())
        yield url
    finally:
        with psycopg.connect(admin_url, autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
