"""Faults after which the place in PostgreSQL's log is lost: somebody says so, a person acts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg

from tests.faults.acting import (
    SLOT,
    Act,
    admin,
    down,
    health,
    pause,
    through_the_proxy,
    verb,
    wait_healthy,
)
from tests.faults.site import Outcome
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.site import Site

KEEPER = "connector-keeper"
LOUD_SECONDS = 180.0
_DROP_SECONDS = 30.0
_LOST_SECONDS = 120.0
_WAL_BLOCK_BYTES = 1_000_000


def _recovered(lose: Callable[[Site], str]) -> Callable[[Site], Outcome]:
    """Lose something, see that it is said, leave it so for a while, then recover."""

    def run(site: Site) -> Outcome:
        detail = lose(site)
        site.struck()
        said = wait_until(
            "the connector keeper says that the position is lost",
            lambda: str(health(site, KEEPER).get("faults") or ""),
            lambda faults: "connectors recover" in faults,
            LOUD_SECONDS,
        )
        seconds = pause(site, 3, 7)
        site.repairs()
        verb(site, "connectors", "recover")
        wait_healthy(site, KEEPER)
        return Outcome(
            f"{detail}; recovered {seconds:.1f} s after it was said",
            loud=f"{KEEPER}: {said}",
            stands_still=True,
            red=True,
        )

    return run


def _slot_dropped(site: Site) -> str:
    """Drop the slot under the running connector; whoever reads it is ended first."""
    deadline = time.monotonic() + _DROP_SECONDS
    with admin(site) as connection:
        while True:
            connection.execute(
                "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots "
                "WHERE slot_name = %s AND active",
                [SLOT],
            )
            try:
                connection.execute("SELECT pg_drop_replication_slot(%s)", [SLOT])
            except psycopg.errors.ObjectInUse:
                assert time.monotonic() < deadline, "the slot could not be dropped"
                time.sleep(0.02)
            else:
                return "the replication slot dropped"


def _slot_dropped_meanwhile(site: Site) -> str:
    """Drop it while nobody reads it: what Connect finds when it starts is that there is none."""
    with down(site, "connect"):
        _slot_dropped(site)
        pause(site, 1, 4)
    return "the replication slot dropped while Connect was down"


def _slot_invalidated(site: Site) -> str:
    """Let more WAL come than the server keeps, while nobody reads the slot."""
    through_the_proxy(site)
    site.proxy.cut()
    try:
        with admin(site) as connection:
            connection.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
            connection.execute("SELECT pg_reload_conf()")
            try:
                wait_until(
                    "the slot is invalidated",
                    lambda: _fill_wal(connection),
                    lambda status: status == "lost",
                    _LOST_SECONDS,
                )
            finally:
                connection.execute("ALTER SYSTEM RESET max_slot_wal_keep_size")
                connection.execute("SELECT pg_reload_conf()")
    finally:
        site.proxy.heal()
    return "the slot invalidated by max_slot_wal_keep_size"


def _fill_wal(connection: psycopg.Connection) -> str | None:
    for _ in range(8):
        connection.execute(
            "SELECT pg_logical_emit_message(false, 'noise', repeat('x', %s))", [_WAL_BLOCK_BYTES]
        )
    connection.execute("SELECT pg_switch_wal()")
    connection.execute("CHECKPOINT")
    row = connection.execute(
        "SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s", [SLOT]
    ).fetchone()
    return None if row is None else row[0]


def _publication_dropped(site: Site) -> str:
    with admin(site) as connection:
        connection.execute("DROP PUBLICATION outbox_events")
    return "the publication dropped"


FAULTS = (
    Act("loss: slot dropped", "loss", _recovered(_slot_dropped), repair=True),
    Act(
        "loss: slot dropped while Connect is down",
        "loss",
        _recovered(_slot_dropped_meanwhile),
        repair=True,
    ),
    Act("loss: slot invalidated", "loss", _recovered(_slot_invalidated), repair=True),
    Act("loss: publication dropped", "loss", _recovered(_publication_dropped), repair=True),
)
