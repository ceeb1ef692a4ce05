"""How the throughput grows with the workers and the partitions, and what each part does alone."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.side_by_side.latency import count_billed
from benchmarks.side_by_side.runs import CONNECTOR, drain, new_work, pile_up
from benchmarks.side_by_side.stages import TopicsWatch
from benchmarks.side_by_side.systems import PIPELINE
from benchmarks.side_by_side.work import SINGLES
from connectors.client import ConnectClient
from infra.local.programs import CONNECT, KAFKA, LEDGER_WRITER, POSTGRES, worker_name
from operations.rebuild.seeding import partition_of
from schemas.topics import EVENTS_SESSION, PAYABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.side_by_side.stack import BenchmarkStack
    from benchmarks.side_by_side.systems import Running
    from benchmarks.side_by_side.work import Work, Written

# There and back, so that what gets warmer, or slower, does so for both.
_WORKERS = (1, 2, 2, 1)
_ALL = EVENTS_SESSION.partitions
_WORKERS_AND_PARTITIONS = ((1, 1), (1, _ALL), (2, _ALL), (2, _ALL), (1, _ALL), (1, 1))
_PATIENCE_SECONDS, _LOOK_SECONDS = 300.0, 0.5
_POSTED = """
    SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8
    FROM mentor_payable_ledgers WHERE mentor_id = ANY(%s)
"""


def by_workers(stack: BenchmarkStack, events: int) -> Iterator[dict[str, object]]:
    """Yield for each number of workers what a backlog of `events` took: CPU s per 1,000 events."""
    drain(replace(stack, workers=max(_WORKERS)), events)
    for workers in _WORKERS:
        measured = drain(replace(stack, workers=workers), events)
        yield {
            "workers": workers,
            "events per second": measured.events_per_second,
            **{f"CPU of {name}": seconds for name, seconds in measured.cpu_seconds.items()},
        }


def by_part(stack: BenchmarkStack, events: int) -> Iterator[dict[str, object]]:
    """Yield how many events a second each part does, of a backlog that lies in some partitions.

    One part after the other, so that the machine is its own: connector, workers, ledger writer.
    """
    for workers, partitions in _WORKERS_AND_PARTITIONS:
        some = replace(stack, workers=workers)
        with PIPELINE.running(some) as running:
            rates = _one_after_the_other(some, running, events, partitions)
        yield {"workers": workers, "partitions": partitions, **rates}


def _one_after_the_other(
    stack: BenchmarkStack, running: Running, events: int, partitions: int
) -> Mapping[str, float]:
    watch = TopicsWatch(stack.layout.brokers)
    # Sessions enough that so many of them fall into those partitions.
    work = new_work(SINGLES, 2 * events * _ALL // partitions)
    stack.stop_all_but(POSTGRES, KAFKA, CONNECT)
    with (
        psycopg.connect(running.admin_url, autocommit=True) as admin,
        ConnectClient(stack.address("connect_url")) as connect,
    ):
        pile_up(admin, connect, work, _of_partitions(work, events, partitions))
        connect.resume(CONNECTOR)
        _wait_until(lambda: watch.appended(EVENTS_SESSION) >= events, "the connector")
        for number in range(stack.workers):
            stack.start(worker_name(number + 1))
        _wait_until(lambda: watch.appended(PAYABLES) >= events, "the workers")
        stack.start(LEDGER_WRITER)
        _wait_until(lambda: count_billed(admin, work) >= events, "the ledger writer")
        return {
            "connector": _per_second(watch.append_times(EVENTS_SESSION)),
            "workers together": _per_second(watch.append_times(PAYABLES)),
            "ledger writer": _per_second(_posted(admin, work)),
        }


def _of_partitions(work: Work, events: int, partitions: int) -> Iterator[Written]:
    """Yield so many events of sessions whose keys lie in the first partitions."""
    found = (
        event
        for event in work.all_events()
        if partition_of(event.session_id.encode(), _ALL) < partitions
    )
    return islice(found, events)


def _posted(admin: psycopg.Connection[Any], work: Work) -> Sequence[float]:
    return [posted for (posted,) in admin.execute(_POSTED, [work.mentors()])]


def _per_second(times: Sequence[float]) -> float:
    """Return how many came after the first ones, by the time since: a start is no part of it."""
    first, last = min(times), max(times)
    return round(sum(each > first for each in times) / (last - first), 1)


def _wait_until(condition: Callable[[], bool], part: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{part} did not do its part in {_PATIENCE_SECONDS:.0f} s")
        time.sleep(_LOOK_SECONDS)
