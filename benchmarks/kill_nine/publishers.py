"""The publishers of the report under kill -9, each in a database of its own."""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from benchmarks.kill_nine.outcome import Bill, Outcome, outcome
from benchmarks.kill_nine.processes import kill_at, kill_moments, restarted
from benchmarks.publishers.bursts import BURST_SECONDS, BURST_SESSIONS

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

_TABLES = Path(__file__).parents[1] / "publishers" / "tables.sql"
_BILLS = """
    SELECT extract(epoch FROM completed_at)::float8,
           ARRAY(SELECT extract(epoch FROM posted_at)::float8 FROM bills
                 WHERE bills.session_id = sessions.session_id)
    FROM sessions
"""
_PENDING = "SELECT count(*) FROM outbox_events WHERE status = 'pending'"
_POLL_SECONDS = 0.2


def run_seconds(sessions: int) -> float:
    """Return how long the application takes to complete so many sessions."""
    return sessions / BURST_SESSIONS * BURST_SECONDS


def kill_emitter(admin_url: str, randomness: random.Random, sessions: int, kills: int) -> Outcome:
    """Kill the application, with the emitter in it; it goes on with the next session."""
    moments = kill_moments(randomness, kills, run_seconds(sessions))
    with _database(admin_url) as url:
        options = (url, "--name", "emitter", "--sessions", str(sessions))
        with restarted("benchmarks.publishers.emitter", *options) as application:
            killed_at = kill_at(moments, application.kill)
            application.wait()
        return outcome("in-process emitter", "application", killed_at, _bills(url))


def kill_polling(
    admin_url: str,
    randomness: random.Random,
    sessions: int,
    kills: int,
    *,
    ask_first: bool,
) -> Outcome:
    """Kill the publisher, polling every second; it ends when nothing is pending any more."""
    moments = kill_moments(randomness, kills, run_seconds(sessions))
    system = "polling, listener asks first" if ask_first else "polling"
    with _database(admin_url) as url:
        application = ("application", url, "--name", "polling", "--sessions", str(sessions))
        publisher = ["publisher", url, "--every-seconds", "1"]
        if ask_first:
            publisher.append("--ask-first")
        with (
            restarted("benchmarks.publishers.polling", *application) as inserting,
            restarted("benchmarks.publishers.polling", *publisher) as publishing,
            psycopg.connect(url, autocommit=True) as connection,
        ):
            killed_at = kill_at(moments, publishing.kill)
            inserting.wait()
            while connection.execute(_PENDING).fetchone() != (0,):
                if not publishing.running:
                    raise ChildProcessError("the polling publisher ended with an error")
                time.sleep(_POLL_SECONDS)
        return outcome(system, "publisher", killed_at, _bills(url))


@contextmanager
def _database(admin_url: str) -> Iterator[str]:
    """Make a database with the report's tables, and drop it afterwards."""
    name = f"publisher_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        url = psycopg.conninfo.make_conninfo(admin_url, dbname=name)
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(_TABLES.read_bytes())
            yield url
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _bills(url: str) -> list[Bill]:
    with psycopg.connect(url) as connection:
        rows: list[tuple[Any, ...]] = connection.execute(_BILLS).fetchall()
    return [Bill(committed_at, tuple(posted_at)) for committed_at, posted_at in rows]
