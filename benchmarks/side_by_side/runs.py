"""What each system is put through."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.side_by_side.application import EMITTER, Inserted, Order
from benchmarks.side_by_side.latency import Billed, Probe, billed, wait_until_billed
from benchmarks.side_by_side.quantiles import Quantiles
from benchmarks.side_by_side.stages import TopicsWatch
from benchmarks.side_by_side.systems import PIPELINE
from benchmarks.side_by_side.work import SINGLES, Work, Written
from connectors.client import ConnectClient

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.side_by_side.resources import Spent
    from benchmarks.side_by_side.stack import BenchmarkStack
    from benchmarks.side_by_side.stages import Stages
    from benchmarks.side_by_side.systems import Running

# Odd, since every other session of a mix has two events: else some lanes had twice as many.
LANES = 9
CONNECTOR = "outbox-events"
_DRAIN_PATIENCE_SECONDS = 600.0
_PROBES_MAX = 100_000
_KEPT_LATENCIES = 1_000
_PRICES = """
    INSERT INTO mentor_prices
    SELECT mentor, code, 10000, 'USD', '2020-01-01'
    FROM unnest(%s::text[]) AS mentor CROSS JOIN unnest('{mentoring,course}'::text[]) AS code
"""
_STAGE = "CREATE TEMPORARY TABLE staged (session_id text, event_type text, payload jsonb)"
_COPY = "COPY staged FROM STDIN"
_COMMIT_EACH = """
    DO $$
    DECLARE
        event record;
    BEGIN
        FOR event IN SELECT * FROM staged LOOP
            INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload)
            VALUES ('session', event.session_id, event.event_type, event.payload);
            COMMIT;
        END LOOP;
    END
    $$
"""


@dataclass(frozen=True, slots=True)
class Repetition:
    """One of several times: ms, and CPU s per 1,000 events; the slowest fsync is of beside it."""

    p99_ms: float
    cpu_seconds: float
    fsync_max_ms: float


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one system.

    `events_per_second`: from the first event's commit to the last row's. `unbilled`: what was not
    billed in time. `seen`: what a client saw from a second connection. CPU in seconds per 1,000
    events, memory in MiB, by process; WAL in bytes an event, of application and system together.
    `thirds_p50_ms`: the median of the bills of the first, second and last third of the events: it
    grows where the system does not keep up. `inserted_per_second`: what the application came to.
    `milliseconds`: the latencies, of which many are thinned out evenly by their rank.
    `fsync`: what a page took to be on disk, beside the run.
    `repetitions`: each time of a run that was repeated; this is the one of the median p99.
    """

    system: str
    work: str
    events: int
    latency: Quantiles
    seen: Quantiles
    thirds_p50_ms: tuple[float, ...]
    events_per_second: float
    inserted_per_second: float
    unbilled: int
    sent_late_ms: float
    insert: Quantiles
    cpu_seconds: dict[str, float]
    memory_mib: dict[str, int]
    wal_bytes: int
    stages: Stages | None
    milliseconds: tuple[float, ...]
    fsync: Quantiles = field(default_factory=lambda: Quantiles.of(()))
    repetitions: tuple[Repetition, ...] = ()


def steady(
    running: Running, name: str, kind: str, events_per_second: float, seconds: float
) -> Measured:
    """Insert at a rate, for so long, and wait for the bills as long again."""
    work = new_work(kind, round(events_per_second * seconds))
    return _run(running, name, work, events_per_second, patience_seconds=seconds)


def burst(running: Running, name: str, sessions: int, patience_seconds: float) -> Measured:
    """Let sessions complete at once."""
    return _run(running, name, new_work(SINGLES, sessions), None, patience_seconds)


def median_of(measured: Sequence[Measured]) -> Measured:
    """Return, of an odd number of times, the one of the median p99, and what each time gave."""
    repetitions = (
        Repetition(each.latency.p99_ms, round(sum(each.cpu_seconds.values()), 2), each.fsync.max_ms)
        for each in measured
    )
    median = sorted(measured, key=lambda each: each.latency.p99_ms)[len(measured) // 2]
    return replace(median, repetitions=tuple(repetitions))


def backlog(
    stack: BenchmarkStack, running: Running, name: str, events: int, patience_seconds: float
) -> Measured:
    """Commit events while the connector is stopped, let it go on, and wait for all the bills."""
    work = new_work(SINGLES, events)
    with (
        psycopg.connect(running.admin_url, autocommit=True) as admin,
        ConnectClient(stack.address("connect_url")) as connect,
    ):
        pile_up(admin, connect, work, work.all_events())
        before, begun_at = running.meter.read(admin), time.time()
        connect.resume(CONNECTOR)
        unbilled = wait_until_billed(admin, work, patience_seconds)
        spent, done = running.meter.since(before, admin), billed(admin, running, work)
    return _measured(
        running,
        name,
        Inserted(work.events, 0.0, 0.0, 0.0, []),
        # Latencies from a commit long before it say nothing.
        replace(done, begun_at=begun_at, milliseconds=()),
        spent,
        bills=work.bills,
        unbilled=unbilled,
    )


def pile_up(
    admin: psycopg.Connection[Any], connect: ConnectClient, work: Work, events: Iterable[Written]
) -> None:
    """Stop the connector and commit events of some work; it goes on when it is resumed."""
    _insert_prices(admin, work)
    connect.stop(CONNECTOR)
    _commit_each(admin, events)


def drain(stack: BenchmarkStack, events: int) -> Measured:
    """Put the pipeline through a backlog, on a stack of any number of workers."""
    with PIPELINE.running(stack) as running:
        return backlog(stack, running, "backlog", events, _DRAIN_PATIENCE_SECONDS)


def ready(running: Running, patience_seconds: float) -> None:
    """Return once a session was billed, half a poll after that: what a bill waits on the average.

    Whoever is woken has begun to listen then. Raises TimeoutError.
    """
    work = new_work(SINGLES, 1)
    with psycopg.connect(running.admin_url, autocommit=True) as admin:
        _insert_prices(admin, work)
        if running.into != EMITTER:
            _insert(running, work, None)
            if wait_until_billed(admin, work, patience_seconds):
                raise TimeoutError(f"{running.system} bills nothing")
    time.sleep((running.poll_seconds or 0.0) / 2)


def new_work(kind: str, sessions: int) -> Work:
    """Return sessions that no run before had."""
    return Work(f"bench-{uuid.uuid4().hex[:8]}", kind, sessions)


def _run(
    running: Running,
    name: str,
    work: Work,
    events_per_second: float | None,
    patience_seconds: float,
) -> Measured:
    with psycopg.connect(running.admin_url, autocommit=True) as admin:
        _insert_prices(admin, work)
        watch = TopicsWatch(running.kafka) if running.kafka else None
        probe = _probe(admin, running) if events_per_second is not None else None
        # What was left of a run before belongs to that one.
        admin.execute("CHECKPOINT")
        before = running.meter.read(admin)
        if probe is not None:
            probe.start()
        try:
            inserted = _insert(running, work, events_per_second)
            unbilled = wait_until_billed(admin, work, patience_seconds)
        finally:
            if probe is not None:
                probe.stop()
        spent, done = running.meter.since(before, admin), billed(admin, running, work)
        stages = watch.stages(admin, work) if watch is not None else None
    if running.into == EMITTER:
        spent.cpu_seconds["application, with its listener"] = inserted.cpu_seconds
    return _measured(
        running,
        name,
        inserted,
        done,
        spent,
        bills=work.bills,
        unbilled=unbilled,
        probe=probe,
        stages=stages,
    )


def _measured(  # noqa: PLR0913 - what a run is made of
    running: Running,
    name: str,
    inserted: Inserted,
    done: Billed,
    spent: Spent,
    *,
    bills: int,
    unbilled: int,
    probe: Probe | None = None,
    stages: Stages | None = None,
) -> Measured:
    # A client that probes causes work, too.
    events = inserted.events + (probe.events if probe is not None else 0)
    return Measured(
        system=running.system,
        work=name,
        events=inserted.events,
        latency=Quantiles.of(done.milliseconds),
        seen=Quantiles.of(probe.milliseconds if probe is not None else ()),
        thirds_p50_ms=_thirds(done.milliseconds),
        events_per_second=_rate(inserted.events * (1 - unbilled / bills), done.seconds),
        inserted_per_second=_rate(inserted.events, inserted.seconds),
        unbilled=unbilled,
        sent_late_ms=round(inserted.late_seconds * 1000, 1),
        insert=Quantiles.of(inserted.transaction_ms),
        cpu_seconds={
            process: round(seconds / events * 1000, 3)
            for process, seconds in spent.cpu_seconds.items()
        },
        memory_mib=running.meter.memory_mib(),
        wal_bytes=round(spent.wal_bytes / events),
        stages=stages,
        milliseconds=_thinned(done.milliseconds),
    )


def _rate(events: float, seconds: float) -> float:
    return round(events / seconds, 1) if seconds else 0.0


def _thirds(milliseconds: Sequence[float]) -> tuple[float, ...]:
    third = len(milliseconds) // 3
    parts = (milliseconds[begin : begin + third] for begin in (0, third, 2 * third))
    return tuple(Quantiles.of(part).p50_ms for part in parts)


def _thinned(milliseconds: Sequence[float]) -> tuple[float, ...]:
    ordered = sorted(milliseconds)
    step = max(1, len(ordered) // _KEPT_LATENCIES)
    return tuple(round(each, 1) for each in [*ordered[::step], *ordered[-1:]])


def _probe(admin: psycopg.Connection[Any], running: Running) -> Probe | None:
    """Return a client to look meanwhile; an emitter's listener is inside the application alone."""
    if running.into == EMITTER:
        return None
    work = new_work(SINGLES, _PROBES_MAX)
    _insert_prices(admin, work)
    return Probe(running, work)


def _insert(running: Running, work: Work, events_per_second: float | None) -> Inserted:
    """Run the application, as a process of its own."""
    order = Order(
        running.application_url,
        running.into,
        work.run,
        work.kind,
        work.sessions,
        LANES,
        events_per_second,
    )
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.side_by_side.application", json.dumps(asdict(order))],
        stdout=subprocess.PIPE,
        check=True,
    )
    return Inserted(**json.loads(finished.stdout))


def _insert_prices(admin: psycopg.Connection[Any], work: Work) -> None:
    admin.execute(_PRICES, [work.mentors()])


def _commit_each(admin: psycopg.Connection[Any], events: Iterable[Written]) -> None:
    """Insert events, each in a transaction of its own, as fast as one session of the server can."""
    admin.execute(_STAGE)
    with admin.cursor().copy(_COPY) as copy:
        for event in events:
            copy.write_row((event.session_id, event.event_type, event.payload))
    # Nobody waits for the disk: the connector is given nothing before it is there.
    admin.execute("SET synchronous_commit = off")
    admin.execute(_COMMIT_EACH)
    admin.execute("RESET synchronous_commit")
    admin.execute("DROP TABLE staged")
