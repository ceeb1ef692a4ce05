"""Faults of the stream processors."""

from __future__ import annotations

import json
import re
import shutil
import signal
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.faults.acting import (
    MOVED_SECONDS,
    Act,
    any_worker,
    assignment,
    down,
    go_on,
    pause,
    pid_of,
    point_connector_at_proxy,
    send,
    stopped,
    verb,
    wait_healthy,
    workers,
)
from tests.faults.injected.failpoint_places import FAILPOINTS
from tests.faults.site import Outcome
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.site import Site

HIT_SECONDS = 90.0
LOGGED_SECONDS = 10.0
READING_BACK = "worker: reading its state back"
DELIVERED = "worker: delivered, state not written"
_PASSES_MAX = 8
_TOPICS = ("events.session", "billing.package-sessions")
_PARTITIONS = {f"{topic}[{number}]" for topic in _TOPICS for number in range(4)}


def _signalled(number: signal.Signals) -> Callable[[Site], Outcome]:
    def run(site: Site) -> Outcome:
        name = any_worker(site)
        return Outcome(f"{number.name} of {name}, pid {send(site, name, number)}")

    return run


def _all_killed(site: Site) -> Outcome:
    pids = [send(site, name, signal.SIGKILL) for name in workers(site)]
    return Outcome(f"SIGKILL of all workers at once, pids {pids}")


def _killed_in_cycles(site: Site) -> Outcome:
    """Killed again and again, as soon as it runs, or a moment later."""
    name = any_worker(site)
    pid, moments = None, []
    for _ in range(site.random.randint(3, 6)):
        pid = pid_of(site, name, other_than=pid)
        moments.append(f"{pause(site, 0, 2.5):.1f}")
        send(site, name, signal.SIGKILL)
    return Outcome(f"SIGKILL of {name} {', '.join(moments)} s after each start")


def _killed_at(failpoint: str) -> Callable[[Site], Outcome]:
    def run(site: Site) -> Outcome:
        name, skip = any_worker(site), site.random.randint(0, _PASSES_MAX)
        if failpoint == READING_BACK:
            skip = site.random.randint(0, 1)
        site.failpoints.arm(name, failpoint, "kill", skip=skip)
        if failpoint == READING_BACK:
            send(site, name, signal.SIGKILL)
        site.failpoints.wait_until_hit(name, failpoint, HIT_SECONDS)
        return Outcome(f"SIGKILL of {name} at {failpoint!r}, time {skip + 1}")

    return run


def _wait_for_all_at(site: Site, name: str) -> None:
    wait_until(
        f"{name} has every partition",
        lambda: assignment(site, name),
        lambda partitions: partitions == _PARTITIONS,
        MOVED_SECONDS,
    )


def _wait_for_shared(site: Site) -> None:
    """Return once the workers have every partition between them."""
    wait_until(
        "the workers share the partitions",
        lambda: set().union(*(assignment(site, name) for name in workers(site))),
        lambda partitions: partitions == _PARTITIONS,
        MOVED_SECONDS,
    )


def _two(site: Site) -> tuple[str, str]:
    _wait_for_shared(site)
    first, second = site.random.sample(workers(site), 2)
    return first, second


def _stale(site: Site) -> Outcome:
    """Stopped anywhere until its partitions have moved; then it goes on with what it had."""
    stale, other = _two(site)
    with stopped(site, stale):
        _wait_for_all_at(site, other)
        seconds = pause(site, 0, 4)
    return Outcome(f"{stale} stopped until {other} had everything for {seconds:.1f} s", red=True)


def _stale_in_a_batch(site: Site) -> Outcome:
    """Stopped where its facts are in the changelog and not yet in its own copy."""
    stale, other = _two(site)
    skip = site.random.randint(0, _PASSES_MAX)
    site.failpoints.arm(stale, DELIVERED, "stop", skip=skip)
    try:
        site.failpoints.wait_until_hit(stale, DELIVERED, HIT_SECONDS)
        _wait_for_all_at(site, other)
        seconds = pause(site, 0, 4)
    finally:
        go_on(site, stale)
    return Outcome(
        f"{stale} stopped at {DELIVERED!r} until {other} had everything for {seconds:.1f} s",
        red=True,
    )


def _there_and_back(site: Site) -> Outcome:
    """Partitions move from A to B while A is stopped, and back to A while B is."""
    first, second = _two(site)
    with stopped(site, first):
        _wait_for_all_at(site, second)
        away_seconds = pause(site, 0.5, 3)
        send(site, second, signal.SIGSTOP)
    try:
        _wait_for_all_at(site, first)
        back_seconds = pause(site, 0.5, 3)
    finally:
        go_on(site, second)
    return Outcome(
        f"everything moved from {first} (stopped) to {second} for {away_seconds:.1f} s, then back "
        f"to {first} for {back_seconds:.1f} s while {second} was stopped",
        red=True,
    )


def _joins_and_leaves(site: Site) -> Outcome:
    """As the operator would: one worker more, and soon one less."""
    before = len(workers(site))
    try:
        verb(site, "up", "--workers", str(before + 1))
        point_connector_at_proxy(site)
        seconds = pause(site, 0, 5)
    finally:
        verb(site, "up", "--workers", str(before))
        point_connector_at_proxy(site)
    return Outcome(f"{before + 1} workers for {seconds:.1f} s, then {before}")


def _state_deleted(site: Site) -> Outcome:
    """Lose the disk of a worker: all that it kept of its state."""
    name = any_worker(site)
    layout = site.stack.layout
    log = layout.log(name)
    with down(site, name):
        shutil.rmtree(layout.state / name)
        read_before = log.stat().st_size
    wait_healthy(site, name)
    return Outcome(f"{name} without its local state: {_speed(log, read_before)}", exempt=True)


def _speed(log: Path, read_before: int) -> str:
    """Return how fast the state came back, by the worker's own log; its start is counted in."""
    # supervisord writes the log, and may come to it after the worker is healthy.
    lines = wait_until(
        f"{log.name} telling that the state is back",
        lambda: _lines(log, read_before),
        lambda lines: any(line["event"] == "state_recovered" for line in lines),
        LOGGED_SECONDS,
    )
    starts = [line for line in lines if line["event"] == "worker_starts"]
    recovered = {
        (line["table"], line["partition"]): line
        for line in lines
        if line["event"] == "state_recovered"
    }
    rows = sum(line["position"] for line in recovered.values())
    ends = [datetime.fromisoformat(line["timestamp"]) for line in recovered.values()]
    seconds = (max(ends) - datetime.fromisoformat(starts[0]["timestamp"])).total_seconds()
    return f"{rows} rows back {seconds:.1f} s after its start, {rows / seconds:.0f} rows/s"


def _lines(log: Path, read_before: int) -> list[dict[str, Any]]:
    with log.open(errors="replace") as file:
        file.seek(read_before if log.stat().st_size >= read_before else 0)
        return [json.loads(found[0]) for line in file if (found := re.search(r"{.+}\n", line))]


FAULTS = (
    Act("worker: SIGTERM", "worker", _signalled(signal.SIGTERM)),
    Act("worker: SIGKILL", "worker", _signalled(signal.SIGKILL)),
    Act("worker: SIGKILL of all", "worker", _all_killed),
    Act("worker: SIGKILL in quick cycles", "worker", _killed_in_cycles),
    *(
        Act(
            f"worker: SIGKILL ({each.name.removeprefix('worker: ')})",
            "worker",
            _killed_at(each.name),
        )
        for each in FAILPOINTS
        if each.program == "worker-"
    ),
    Act("worker: stale", "worker", _stale),
    Act("worker: stale in a batch", "worker", _stale_in_a_batch),
    Act("worker: partitions there and back", "worker", _there_and_back),
    Act("worker: joins and leaves", "worker", _joins_and_leaves),
    Act("worker: local state deleted", "worker", _state_deleted),
)
