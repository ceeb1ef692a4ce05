"""How long reconciliation takes over many events: `python -m benchmarks.reconciliation`.

Needs a PostgreSQL server, by default that of the local stack, and a superuser of it. Makes a
database of its own there and removes it afterwards: 30 days of a platform at work, three quarters
of its sessions in packages, all of them billed.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import click
import psycopg

from benchmarks.filled_database import DAYS, EVENTS_A_SESSION, benchmark_database, fill
from operations.output import print_table, say
from operations.reconcile.comparison import Scope, compare, events_without_receipt
from operations.reconcile.report import reconciliation
from operations.settings import load_settings


@click.command()
@click.option("--events", default=1_000_000, show_default=True, help="How many events.")
@click.option("--runs", default=3, show_default=True, help="How often each is measured.")
def main(events: int, runs: int) -> None:
    """Fill a database with billed events and reconcile all of it, a day and an hour of it."""
    with benchmark_database(load_settings().need("admin_database_url")) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            say(f"Writing {events} events of {DAYS} days, their receipts and their bills …")
            fill(connection, events // EVENTS_A_SESSION)
        windows = {"everything": None, "24 hours": timedelta(days=1), "1 hour": timedelta(hours=1)}
        print_table(
            [_measured(url, name, window, runs) for name, window in windows.items()],
            ("window", "events", "bills", "verdict", "seconds_best", "seconds_worst"),
        )


def _measured(
    url: str, name: str, window: timedelta | None, runs: int
) -> dict[str, float | int | str]:
    """As `outbox reconcile` does it, without the wait for Kafka."""
    since = None if window is None else datetime.now(UTC) - window
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        with psycopg.connect(url, autocommit=True) as connection:
            undelivered = events_without_receipt(connection, 10, since)
            found = reconciliation(
                compare(
                    connection,
                    Scope(judged={0: 1 << 60}, undelivered=sorted(undelivered), since=since),
                )
            )
        seconds.append(time.perf_counter() - began)
    return {
        "window": name,
        "events": found.events,
        "bills": found.expected,
        "verdict": found.verdict,
        "seconds_best": round(min(seconds), 2),
        "seconds_worst": round(max(seconds), 2),
    }


if __name__ == "__main__":
    main()
