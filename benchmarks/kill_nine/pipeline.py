"""This pipeline under kill -9, one process after the other, on a stack of its own."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.kill_nine.outcome import Bill, Outcome, outcome
from benchmarks.kill_nine.processes import kill_at, kill_moments, kill_process, restarted
from benchmarks.kill_nine.publishers import run_seconds
from infra.local.status import process_statuses

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from infra.local.layout import Layout

APPLICATION = "application"
_SYSTEM = "this pipeline"
_GIVE_UP_SECONDS = 180.0
_POLL_SECONDS = 0.2
_BILLS = """
    SELECT extract(epoch FROM event.created_at)::float8,
           ARRAY(SELECT extract(epoch FROM entry.posted_at)::float8
                 FROM mentor_payable_ledgers AS entry
                 WHERE entry.session_id = event.aggregate_id)
    FROM domain_events AS event
    WHERE event.payload ->> 'contractId' = %s
"""


def kill_pipeline(
    layout: Layout,
    addresses: Mapping[str, str | None],
    victim: str,
    randomness: random.Random,
    sessions: int,
    kills: int,
) -> Outcome:
    """Kill one process while sessions complete, and wait until all that are committed are billed.

    What is not billed after three minutes counts as lost.
    """
    moments = kill_moments(randomness, kills, run_seconds(sessions))
    name = f"kill-{victim}-{uuid.uuid4().hex[:6]}"
    application_url, owner_url = addresses["app_database_url"], addresses["database_url"]
    if application_url is None or owner_url is None:
        raise LookupError("the stack has no database")
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO mentor_prices VALUES (%s, 'mentoring', 10000, 'USD', '2020-01-01')",
            [name],
        )
    options = (application_url, owner_url, "--name", name, "--sessions", str(sessions))
    with restarted("benchmarks.publishers.domain_events", *options) as application:

        def kill() -> None:
            if victim == APPLICATION:
                application.kill()
            else:
                kill_process(lambda: _pid(layout, victim))

        killed_at = kill_at(moments, kill)
        application.wait()
    return outcome(_SYSTEM, victim, killed_at, _bills_at_last(owner_url, name))


def _pid(layout: Layout, name: str) -> int | None:
    return next(process.pid for process in process_statuses(layout) if process.name == name)


def _bills_at_last(owner_url: str, name: str) -> Sequence[Bill]:
    deadline = time.monotonic() + _GIVE_UP_SECONDS
    while True:
        bills = _bills(owner_url, name)
        if all(bill.posted_at for bill in bills) or time.monotonic() > deadline:
            return bills
        time.sleep(_POLL_SECONDS)


def _bills(owner_url: str, name: str) -> list[Bill]:
    """Ask until the database answers: it may be the one that was killed."""
    while True:
        try:
            with psycopg.connect(owner_url) as owner:
                rows: list[tuple[Any, ...]] = owner.execute(_BILLS, [name]).fetchall()
        except psycopg.OperationalError:
            time.sleep(_POLL_SECONDS)
        else:
            return [Bill(committed_at, tuple(posted_at)) for committed_at, posted_at in rows]
