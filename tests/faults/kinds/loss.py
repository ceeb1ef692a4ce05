"""Faults after which a position cannot be trusted: the system says so, and a person acts."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import psycopg
from confluent_kafka import OFFSET_END, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.faults.acting import (
    Act,
    admin,
    health,
    pause,
    stopped,
    through_the_proxy,
    verb,
    wait_healthy,
    workers,
)
from tests.faults.site import Outcome
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.faults.site import Site

KEEPER = "connector-keeper"
SLOT = "outbox_events"
LOUD_SECONDS = 180.0
_DROP_SECONDS = 30.0
_LOST_SECONDS = 120.0
_WAL_BLOCK_BYTES = 1_000_000


def _recovered(lose: Callable[[Site], str]) -> Callable[[Site], Outcome]:
    """Lose something, see that it is said, leave it so for a while, then recover."""

    def run(site: Site) -> Outcome:
        detail = lose(site)
        said = wait_until(
            "the connector keeper says that the position is lost",
            lambda: str(health(site, KEEPER).get("faults") or ""),
            lambda faults: "connectors recover" in faults,
            LOUD_SECONDS,
        )
        seconds = pause(site, 2, 6)
        verb(site, "connectors", "recover")
        wait_healthy(site, KEEPER)
        return Outcome(
            f"{detail}; recovered {seconds:.1f} s after it was said",
            loud=f"{KEEPER}: {said}",
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


_TELLING = "outbox rebuild --replace"
_REBUILD_SECONDS = 3_600.0
_ANSWER_SECONDS = 60.0


def _rebuilt(lose: Callable[[Site], str]) -> Callable[[Site], Outcome]:
    """Lose what the workers' positions rest on, see that they say so, then rebuild."""

    def run(site: Site) -> Outcome:
        logs = [site.stack.layout.log(name) for name in workers(site)]
        read_before = {log: log.stat().st_size for log in logs}
        detail = lose(site)
        said = wait_until(
            "a worker says that its position is lost",
            lambda: _lines(read_before, _TELLING),
            bool,
            LOUD_SECONDS,
        )
        seconds = pause(site, 1, 5)
        verb(site, "rebuild", "--replace", timeout=_REBUILD_SECONDS)
        wait_healthy(site, *workers(site))
        # Exit 1: the plan has bills that rightly wait for a person.
        verb(site, "reconcile", "--repair", codes=(0, 1), timeout=_REBUILD_SECONDS)
        return Outcome(
            f"{detail}; rebuilt {seconds:.1f} s after it was said", loud=said[0], red=True
        )

    return run


def _lines(read_before: Mapping[Path, int], text: str) -> list[str]:
    """Return the lines with a text that logs hold beyond a position, each with its log's name."""
    found = []
    for log, position in read_before.items():
        with log.open(errors="replace") as file:
            file.seek(position if log.stat().st_size >= position else 0)
            found += [f"{log.stem}: {line.strip()[:300]}" for line in file if text in line]
    return found


def _kafka(site: Site) -> AdminClient:
    return AdminClient({"bootstrap.servers": site.stack.address("kafka_bootstrap_servers")})


def _changelog_deleted(site: Site) -> str:
    topic = site.random.choice(
        [
            "outbox-billing-session_facts-changelog",
            "outbox-billing-package_facts-changelog",
        ]
    )
    client = _kafka(site)
    client.delete_topics([topic], operation_timeout=30)[topic].result(_ANSWER_SECONDS)
    return f"{topic} deleted"


def _events_truncated(site: Site) -> str:
    """Remove events that no worker has read: they are stopped while some come."""
    with contextlib.ExitStack() as all_stopped:
        for name in workers(site):
            all_stopped.enter_context(stopped(site, name))
        seconds = pause(site, 2, 5)
        ends = [TopicPartition("events.session", number, OFFSET_END) for number in range(4)]
        client = _kafka(site)
        removed = client.delete_records(ends, operation_timeout=30)
        low = [answer.result(_ANSWER_SECONDS).low_watermark for answer in removed.values()]
    return f"events.session truncated to {low} after the workers had been stopped {seconds:.1f} s"


FAULTS = (
    Act("loss: slot dropped", "loss", _recovered(_slot_dropped), repair=True),
    Act("loss: slot invalidated", "loss", _recovered(_slot_invalidated), repair=True),
    Act("loss: publication dropped", "loss", _recovered(_publication_dropped), repair=True),
    Act("loss: changelog deleted", "loss", _rebuilt(_changelog_deleted), repair=True),
    Act("loss: events truncated", "loss", _rebuilt(_events_truncated), repair=True),
)
