"""Faults of the PostgreSQL server."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import psycopg

from tests.faults.acting import PROCESS_SECONDS, Act, admin, pause, pid_of, send
from tests.faults.site import Outcome
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.site import Site

POSTED = "ledger-writer: posted, not committed"
HIT_SECONDS = 60.0
_WRITERS = "application_name LIKE 'outbox ledger writer:%'"
_BACKENDS = {
    "ledger writer's": _WRITERS,
    "connector's": "usename = 'outbox_connector' AND backend_type = 'walsender'",
    "application's": "usename = 'outbox_application'",
}


def _killed(site: Site) -> Outcome:
    return Outcome(f"SIGKILL of the server, pid {send(site, 'postgres', signal.SIGKILL)}")


def _restarted(site: Site) -> Outcome:
    pid = send(site, "postgres", signal.SIGINT)
    pid_of(site, "postgres", other_than=pid)
    return Outcome(f"fast shutdown and start, pid {pid}")


def _in_a_batch(act: Callable[[Site], str]) -> Callable[[Site], Outcome]:
    """The ledger writer has posted and not committed: it waits there while something happens."""

    def run(site: Site) -> Outcome:
        site.failpoints.arm("ledger-writer", POSTED, "sleep", seconds=2.0)
        site.failpoints.wait_until_hit("ledger-writer", POSTED, HIT_SECONDS)
        return Outcome(f"{act(site)} while the ledger writer had posted a batch, not committed")

    return run


def _kill_server(site: Site) -> str:
    return f"SIGKILL of the server, pid {send(site, 'postgres', signal.SIGKILL)}"


def _restart_server(site: Site) -> str:
    return f"fast shutdown of the server, pid {send(site, 'postgres', signal.SIGINT)}"


def _end_writers(site: Site) -> str:
    return f"{_end(site, _WRITERS)} backends of the ledger writer ended"


def _end(site: Site, whose: str) -> int:
    """End the backends of one kind, waiting until there is one; return how many there were."""

    def end(connection: psycopg.Connection) -> int:
        ended = connection.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {whose}"
        ).fetchall()
        return sum(done for (done,) in ended)

    with admin(site) as connection:
        return wait_until(
            "there is a backend to be ended",
            lambda: end(connection),
            lambda ended: ended > 0,
            PROCESS_SECONDS,
        )


def _backend_ended(site: Site) -> Outcome:
    """End one connection, or more, of one of the three that use the server."""
    whose = site.random.choice(sorted(_BACKENDS))
    return Outcome(f"{_end(site, _BACKENDS[whose])} of the {whose} backends ended")


def _backend_killed(site: Site) -> Outcome:
    """SIGKILL of one backend: the server ends all others and recovers as after a crash."""
    whose = site.random.choice(sorted(_BACKENDS))
    share = site.random.random()

    def kill(connection: psycopg.Connection) -> int | None:
        rows = connection.execute(
            f"SELECT pid FROM pg_stat_activity WHERE {_BACKENDS[whose]} ORDER BY pid"
        ).fetchall()
        if not rows:
            return None
        (pid,) = rows[int(share * len(rows))]
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return None
        return int(pid)

    with admin(site) as connection:
        pid = wait_until(
            f"one of the {whose} backends is killed",
            lambda: kill(connection),
            lambda pid: pid is not None,
            PROCESS_SECONDS,
        )
    return Outcome(f"SIGKILL of one of the {whose} backends, pid {pid}")


def _connections_exhausted(site: Site) -> Outcome:
    """Take every connection that there is; whoever must connect anew cannot."""
    taken: list[psycopg.Connection] = []
    url = site.stack.address("app_database_url")
    longest_seconds = site.random.uniform(4, 12)
    end = time.monotonic() + PROCESS_SECONDS
    turned_out = 0
    try:
        with admin(site) as connection:
            while time.monotonic() < end:
                try:
                    taken.append(psycopg.connect(url, connect_timeout=5))
                except psycopg.OperationalError:
                    if not turned_out:
                        end = time.monotonic() + longest_seconds
                        # Now they are exhausted: whoever had one loses it, and cannot come back.
                        turned_out = len(
                            connection.execute(
                                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                f"WHERE {_WRITERS}"
                            ).fetchall()
                        )
                    time.sleep(0.05)
    finally:
        for each in taken:
            each.close()
    assert turned_out, "the server never ran out of connections"
    return Outcome(
        f"{len(taken)} connections taken for {longest_seconds:.1f} s, the ledger writer's "
        f"{turned_out} ended meanwhile"
    )


def _stopped_twice(site: Site) -> Outcome:
    """Killed again as soon as it is back, in the middle of its recovery."""
    pid = send(site, "postgres", signal.SIGKILL)
    again = pid_of(site, "postgres", other_than=pid)
    seconds = pause(site, 0, 1)
    send(site, "postgres", signal.SIGKILL)
    return Outcome(f"SIGKILL of the server, and {seconds:.1f} s after its start, pid {again}")


FAULTS = (
    Act("postgres: SIGKILL", "postgres", _killed),
    Act("postgres: SIGKILL twice", "postgres", _stopped_twice),
    Act("postgres: restart", "postgres", _restarted),
    Act("postgres: SIGKILL while a batch is posted", "postgres", _in_a_batch(_kill_server)),
    Act("postgres: restart while a batch is posted", "postgres", _in_a_batch(_restart_server)),
    Act("postgres: backend ended while a batch is posted", "postgres", _in_a_batch(_end_writers)),
    Act("postgres: backends ended", "postgres", _backend_ended),
    Act("postgres: backend SIGKILL", "postgres", _backend_killed),
    Act("postgres: connections exhausted", "postgres", _connections_exhausted),
)
