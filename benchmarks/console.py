"""How long the console's pages take over many events: `python -m benchmarks.console`.

Needs the local stack, whose PostgreSQL it uses for a database of its own, and drops in the end. A
console of its own, a process as any other, is asked for each page again and again. Exit code 1
where the 95th percentile of a page is above what the project asks for.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
import httpx
import psycopg

from benchmarks.filled_database import DAYS, EVENTS_A_SESSION, benchmark_database, fill
from benchmarks.side_by_side.quantiles import Quantiles
from infra.local.layout import layout_from_environment
from operations.failures import PROBLEM
from operations.output import print_table, say
from operations.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

P95_MS_MAX = 300.0
_START_SECONDS = 30.0
_PORT_OFFSET = 62

_EXCEPTIONS = """
    INSERT INTO billing_exceptions (
        id, reason, status, attempts, next_attempt_at, first_failed_at, last_error, subject, kind,
        source_event_id, record, resolution
    )
    SELECT
        gen_random_uuid(),
        (ARRAY['price_missing', 'timeout', 'session_conflict', 'undecodable'])[1 + number %% 4],
        status, 4, CASE status WHEN 'retrying' THEN now() + interval '1 hour' END,
        event.created_at, 'mentor has no price in force: insert it into mentor_prices, then retry',
        event.aggregate_id, 'session', event.id,
        CASE number %% 4
            WHEN 2 THEN '{"event_ids": []}'
            WHEN 3 THEN jsonb_build_object(
                'topic', 'events.session', 'partition', 0, 'offset', number, 'key', 'k',
                'value', event.payload::text, 'headers', '[]'::jsonb
            )
            ELSE jsonb_build_object('payable', event.payload)
        END,
        CASE status WHEN 'dismissed' THEN 'a gift' END
    FROM (
        SELECT id, aggregate_id, created_at, payload, row_number() OVER (ORDER BY id) AS number
        FROM domain_events
        WHERE event_type = 'services.session.completed'
        LIMIT %(exceptions)s
    ) AS event
    CROSS JOIN LATERAL (
        SELECT (ARRAY['failed', 'failed', 'resolved', 'retrying', 'dismissed'])[1 + number %% 5]
    ) AS chosen (status)
"""
_PLACES = """
    SELECT
        (SELECT payload ->> 'contractId' FROM domain_events LIMIT 1) AS contract,
        (
            SELECT mentor_id FROM mentor_payable_ledgers
            GROUP BY mentor_id ORDER BY count(*) DESC LIMIT 1
        ) AS mentor,
        (SELECT id FROM mentor_payable_ledgers LIMIT 1) AS entry,
        (SELECT id FROM billing_exceptions WHERE status = 'failed' LIMIT 1) AS exception,
        (SELECT id FROM domain_events LIMIT 1) AS event,
        (SELECT current_date - 3) AS day
"""
PAGES = (
    "/",
    "/history?contract={contract}",
    "/history?mentor={mentor}",
    "/history?search={contract}",
    "/history?search={event}",
    "/exceptions",
    "/exceptions?status=failed&status=resolved&status=dismissed&status=retrying",
    "/exceptions?status=failed&reason=timeout",
    "/exceptions?overdue=1",
    "/exceptions/{exception}",
    "/exceptions/confirm?act=retry&status=failed",
    "/exceptions/confirm?act=dismiss&reason=price_missing",
    "/ledger",
    "/ledger?mentor={mentor}",
    "/ledger?since={day}&until={day}",
    "/ledger/{entry}",
    "/connectors",
    "/reconciliation",
    "/actions",
)


@click.command()
@click.option("--events", default=1_000_000, show_default=True, help="How many events.")
@click.option("--exceptions", default=100_000, show_default=True, help="How many exceptions.")
@click.option("--requests", default=40, show_default=True, help="How often each page is asked for.")
@click.pass_context
def main(ctx: click.Context, events: int, exceptions: int, requests: int) -> None:
    """Fill a database, and ask a console on it for every page."""
    with benchmark_database(load_settings().need("admin_database_url")) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            say(f"Writing {events} events of {DAYS} days and {exceptions} exceptions …")
            fill(connection, events // EVENTS_A_SESSION)
            connection.execute(_EXCEPTIONS, {"exceptions": exceptions})
            connection.execute("VACUUM ANALYZE")
            cursor = connection.execute(_PLACES)
            names = [column.name for column in cursor.description or ()]
            places = dict(zip(names, cursor.fetchone() or (), strict=True))
        with _console(url) as client:
            rows = [_measured(client, page.format(**places), requests) for page in PAGES]
    print_table(rows, ("page", "p50_ms", "p95_ms", "max_ms"))
    slow = [row["page"] for row in rows if float(row["p95_ms"]) > P95_MS_MAX]
    if slow:
        say(f"Above {P95_MS_MAX:.0f} ms: {', '.join(map(str, slow))}.")
        ctx.exit(PROBLEM)


@contextmanager
def _console(database_url: str) -> Iterator[httpx.Client]:
    """Run a console on a database; a client of it."""
    port = layout_from_environment().port_base + _PORT_OFFSET
    environment = {
        **os.environ,
        "OUTBOX_DATABASE_URL": database_url,
        "OUTBOX_CONSOLE_PORT": str(port),
    }
    process = subprocess.Popen([sys.executable, "-m", "operations.console"], env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            _wait_until_live(client)
            yield client
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_live(client: httpx.Client) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            client.get("/live").raise_for_status()
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _measured(client: httpx.Client, page: str, requests: int) -> dict[str, float | str]:
    """Ask for a page; the first time, which finds caches cold, does not count."""
    client.get(page)
    milliseconds = []
    for _ in range(requests):
        began = time.perf_counter()
        answer = client.get(page)
        milliseconds.append((time.perf_counter() - began) * 1000)
        if answer.is_error:
            raise click.ClickException(f"{page} answered {answer.status_code}: {answer.text}")
    return {"page": page, **asdict(Quantiles.of(milliseconds))}


if __name__ == "__main__":
    main()
