"""Faults of the ledger writer."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import httpx

from infra.local.layout import project_directory
from infra.local.processors import ledger_writer_program
from infra.local.supervision import HOME_MARK, PROCESS_MARK
from tests.faults.acting import (
    HEALTHY_SECONDS,
    PROCESS_SECONDS,
    SEEN_SECONDS,
    Act,
    credentials,
    go_on,
    health,
    pause,
    pid_of,
    send,
    stopped,
)
from tests.faults.injected.failpoint_places import FAILPOINTS
from tests.faults.site import Outcome
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.site import Site

WRITER, SECOND_WRITER = "ledger-writer", "ledger-writer-2"
POSTED = "ledger-writer: posted, not committed"
HIT_SECONDS = 90.0
_SECOND_HEALTH_PORT_OFFSET = 61
_PASSES_MAX = 8


def _signalled(number: signal.Signals) -> Callable[[Site], Outcome]:
    return lambda site: Outcome(f"{number.name}, pid {send(site, WRITER, number)}")


def _killed_at(failpoint: str) -> Callable[[Site], Outcome]:
    def run(site: Site) -> Outcome:
        skip = site.random.randint(0, _PASSES_MAX) if "report" not in failpoint else 0
        site.failpoints.arm(WRITER, failpoint, "kill", skip=skip)
        site.failpoints.wait_until_hit(WRITER, failpoint, HIT_SECONDS)
        return Outcome(f"SIGKILL at {failpoint!r}, time {skip + 1}")

    return run


def _killed_in_cycles(site: Site) -> Outcome:
    pid, moments = None, []
    for _ in range(site.random.randint(3, 6)):
        pid = pid_of(site, WRITER, other_than=pid)
        moments.append(f"{pause(site, 0, 2.5):.1f}")
        send(site, WRITER, signal.SIGKILL)
    return Outcome(f"SIGKILL {', '.join(moments)} s after each start")


def _stopped(site: Site) -> Outcome:
    with stopped(site, WRITER) as pid:
        seconds = pause(site, 2, 20)
    return Outcome(f"pid {pid} stopped for {seconds:.1f} s", red=seconds > SEEN_SECONDS or None)


def _stopped_in_a_batch(site: Site) -> Outcome:
    """Its transaction stays open, and its locks are held, while it does nothing."""
    site.failpoints.arm(WRITER, POSTED, "stop", skip=site.random.randint(0, _PASSES_MAX))
    try:
        site.failpoints.wait_until_hit(WRITER, POSTED, HIT_SECONDS)
        site.struck()
        seconds = pause(site, 2, 15)
    finally:
        go_on(site, WRITER)
    return Outcome(f"stopped at {POSTED!r} for {seconds:.1f} s", red=seconds > SEEN_SECONDS or None)


@contextlib.contextmanager
def _second_writer(site: Site) -> Iterator[subprocess.Popen[bytes]]:
    """Run another ledger writer in the same groups, under a name of its own."""
    layout = site.stack.layout
    program = ledger_writer_program(layout, credentials(layout))
    port = _second_port(site)
    environment = {
        **os.environ,
        **site.failpoints.environment(),
        **program.environment,
        "OUTBOX_WRITER_NAME": SECOND_WRITER,
        "OUTBOX_STATE_DIRECTORY": str(layout.state / SECOND_WRITER),
        "OUTBOX_HEALTH_PORT": str(port),
        HOME_MARK: str(layout.home),
        PROCESS_MARK: SECOND_WRITER,
    }
    with layout.log(SECOND_WRITER).open("ab") as log:
        process = subprocess.Popen(
            list(program.command),
            env=environment,
            cwd=project_directory(),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(
            "the second ledger writer has its share",
            lambda: (process.poll(), _page(port)),
            lambda seen: seen[0] is not None or bool(seen[1].get("ready")),
            HEALTHY_SECONDS,
        )
        assert process.poll() is None, f"it ended: see {layout.log(SECOND_WRITER)}"
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(PROCESS_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _second_port(site: Site) -> int:
    return site.stack.layout.port_base + _SECOND_HEALTH_PORT_OFFSET


def _page(port: int) -> dict[str, Any]:
    try:
        return dict(httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).json())
    except (httpx.HTTPError, ValueError):
        return {}


def _two_at_once(site: Site) -> Outcome:
    """Two share the partitions; one of them is killed, or leaves in order."""
    with _second_writer(site) as second:
        seconds = pause(site, 2, 6)
        end = site.random.choice(("the first killed", "the second killed", "the second left"))
        if end == "the first killed":
            send(site, WRITER, signal.SIGKILL)
            pause(site, 0, 3)
        elif end == "the second killed":
            second.kill()
    return Outcome(f"two for {seconds:.1f} s, then {end}")


def _two_and_one_stale(site: Site) -> Outcome:
    """One is stopped until the other has all partitions; then it goes on with what it had."""
    with _second_writer(site) as second:
        with stopped(site, WRITER):
            _wait_for_all_payables(SECOND_WRITER, lambda: _page(_second_port(site)))
            seconds = pause(site, 0, 3)
        wait_until(
            "the first has its share again",
            lambda: health(site, WRITER),
            lambda page: bool(page.get("ready")),
            HEALTHY_SECONDS,
        )
        del second
    return Outcome(f"the first stopped until the second had everything for {seconds:.1f} s")


def _two_and_one_stopped_in_a_batch(site: Site) -> Outcome:
    """One stops with a batch posted; the other gets the same records, and meets its open rows."""
    with _second_writer(site) as second:
        skip = site.random.randint(0, _PASSES_MAX)
        site.failpoints.arm(SECOND_WRITER, POSTED, "stop", skip=skip)
        site.failpoints.wait_until_hit(SECOND_WRITER, POSTED, HIT_SECONDS)
        _wait_for_all_payables(WRITER, lambda: health(site, WRITER))
        seconds = pause(site, 1, 8)
        second.send_signal(signal.SIGCONT)
        pause(site, 0, 3)
    return Outcome(
        f"the second stopped at {POSTED!r} until the first had everything for {seconds:.1f} s"
    )


def _wait_for_all_payables(name: str, page: Callable[[], dict[str, Any]]) -> None:
    wait_until(
        f"{name} has every payables partition",
        page,
        lambda page: len(_payables(page)) == len(_ALL_PAYABLES),
        HEALTHY_SECONDS,
    )


_ALL_PAYABLES = {f"billing.payables[{number}]" for number in range(4)}


def _payables(page: dict[str, Any]) -> set[str]:
    assigned = page.get("assignment")
    groups = assigned.values() if isinstance(assigned, dict) else ()
    return _ALL_PAYABLES & {partition for group in groups for partition in group or ()}


FAULTS = (
    Act("ledger-writer: SIGTERM", WRITER, _signalled(signal.SIGTERM)),
    Act("ledger-writer: SIGKILL", WRITER, _signalled(signal.SIGKILL)),
    Act("ledger-writer: SIGKILL in quick cycles", WRITER, _killed_in_cycles),
    *(
        Act(
            f"ledger-writer: SIGKILL ({each.name.removeprefix('ledger-writer: ')})",
            WRITER,
            _killed_at(each.name),
        )
        for each in FAILPOINTS
        if each.program == WRITER
    ),
    Act("ledger-writer: SIGSTOP, SIGCONT", WRITER, _stopped),
    Act("ledger-writer: stopped while a batch is posted", WRITER, _stopped_in_a_batch),
    Act("ledger-writer: two at once", WRITER, _two_at_once),
    Act("ledger-writer: two at once, one stale", WRITER, _two_and_one_stale),
    Act(
        "ledger-writer: two at once, one stopped in a batch",
        WRITER,
        _two_and_one_stopped_in_a_batch,
    ),
)
