"""What pages do with nothing there, with a database that is gone, with stopped processes."""

import re
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from starlette.testclient import TestClient

from infra.local.layout import Layout
from infra.local.programs import stack_endpoints
from infra.local.status import ProcessStatus
from operations.settings import Settings
from tests.integration.console.conftest import MakeConsole
from tests.integration.database_rows import complete, insert_exception
from tests.integration.reconciled import bill_session
from tests.postgres_server import PostgresServer

PAGES = ("/", "/history", "/exceptions", "/actions")
STAGE_OF = {
    "postgres": "insert",
    "kafka": "kafka",
    "connect": "connect",
    "worker-1": "workers",
    "ledger-writer": "ledger-writer",
}


def processes(layout: Layout) -> list[ProcessStatus]:
    """All of a stack, well."""
    return [
        ProcessStatus(
            name=endpoint.name,
            pid=1,
            state="running",
            healthy=True,
            address=endpoint.address,
            health_url=None,
            metrics_url=None,
            log="log",
        )
        for endpoint in stack_endpoints(layout, 1)
    ]


@pytest.fixture
def seen(tmp_path: Path) -> list[ProcessStatus]:
    return processes(Layout(tmp_path, 30000))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_with_nothing_to_show_says_what_to_do(console: TestClient, page: str) -> None:
    answer = console.get(page)
    assert answer.status_code == 200
    assert 'class="empty"' in answer.text


@pytest.mark.parametrize("page", ["/history?contract=c", "/exceptions", "/actions"])
def test_a_database_that_is_gone_is_told_and_how_to_start_it(
    make_console: MakeConsole, page: str
) -> None:
    gone = Settings(database_url="postgresql://outbox_owner@127.0.0.1:1/outbox")
    answer = make_console(addresses=gone).get(page)
    assert answer.status_code == 503
    assert "PostgreSQL cannot be reached" in answer.text
    assert "outbox up" in answer.text


def test_the_overview_answers_also_without_its_database(
    make_console: MakeConsole, seen: list[ProcessStatus]
) -> None:
    gone = Settings(database_url="postgresql://outbox_owner@127.0.0.1:1/outbox")
    page = make_console(seen, addresses=gone).get("/")
    assert page.status_code == 200
    assert 'data-stage="insert" data-health="bad"' in page.text
    assert "figures of the database cannot be read" in page.text


def test_where_all_is_well_nothing_is_red(
    make_console: MakeConsole, seen: list[ProcessStatus], owner: psycopg.Connection
) -> None:
    bill_session(owner, "s-1")
    page = make_console(seen).get("/").text
    assert "All is well" in page
    assert 'data-health="bad"' not in page


@pytest.mark.parametrize("name", STAGE_OF)
def test_a_process_that_is_down_turns_its_stage_and_the_whole_red(
    make_console: MakeConsole, seen: list[ProcessStatus], name: str
) -> None:
    down = [
        replace(each, pid=None, state="stopped", healthy=False) if each.name == name else each
        for each in seen
    ]
    page = make_console(down).get("/").text
    assert f'data-stage="{STAGE_OF[name]}" data-health="bad"' in page
    assert re.findall('data-stage="(.*?)" data-health="bad"', page) == [STAGE_OF[name]]
    assert f"{name} does not run (stopped)" in page
    assert "<title>Something is wrong" in page


def test_a_failed_exception_is_red_on_the_overview(
    make_console: MakeConsole, seen: list[ProcessStatus], owner: psycopg.Connection
) -> None:
    insert_exception(owner, first_failed_at="2026-01-01T00:00:00Z")
    page = make_console(seen).get("/").text
    assert "1 exception has failed: a person must look" in page


def test_the_latencies_of_the_last_minute_are_those_of_the_ledger(
    make_console: MakeConsole, seen: list[ProcessStatus], owner: psycopg.Connection
) -> None:
    for number in range(20):
        event = complete(owner, f"s-{number}")
        owner.execute(
            "INSERT INTO mentor_payable_ledgers (id, kind, mentor_id, contract_id, student_id, "
            "session_id, amount_minor, currency, price_effective_from, occurred_at, "
            "source_event_id) VALUES (gen_random_uuid(), 'session', 'm', 'c', 'u', %s, 1, 'USD', "
            "now(), now(), %s)",
            [f"s-{number}", event.id],
        )
    console = make_console(seen)
    looks, _ = console.app.state.observer.looks()  # type: ignore[attr-defined]
    (expected,) = owner.execute(
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM "
        "entry.posted_at - event.created_at)) FROM mentor_payable_ledgers AS entry "
        "JOIN domain_events AS event ON event.id = entry.source_event_id"
    ).fetchone() or (None,)
    assert looks.figures.now.p50_seconds == pytest.approx(expected, abs=0.002)
    assert [minute.entries for minute in looks.figures.minutes if minute.entries] == [20]


def test_a_slot_that_nobody_reads_is_red_on_the_overview(
    console: TestClient, postgres_server: PostgresServer, owner: psycopg.Connection
) -> None:
    admin_url = postgres_server.admin_url_of(owner.info.dbname)
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute("SELECT pg_create_logical_replication_slot('page_test', 'pgoutput')")
        try:
            page = console.get("/").text
        finally:
            admin.execute("SELECT pg_drop_replication_slot('page_test')")
    assert "Nobody reads the replication slot page_test" in page
    assert "log kept by slot page_test" in page


def test_a_page_is_answered_after_the_database_ended_every_connection(
    console: TestClient, owner: psycopg.Connection
) -> None:
    complete(owner, "s")
    assert console.get("/history?session=s").status_code == 200
    ended = owner.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = %s AND pid <> pg_backend_pid()",
        [owner.info.dbname],
    ).fetchall()
    assert ended == [(True,)]
    assert console.get("/history?session=s").status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        "/actions?before=x",
        "/ledger?until=9999-12-31",
        "/reconciliation?until=0001-01-05",
    ],
)
def test_what_is_no_id_or_no_day_that_can_be_is_refused_in_words(
    console: TestClient, address: str
) -> None:
    assert console.get(address).status_code == 400


def test_nothing_can_be_written_while_a_page_is_read(console: TestClient) -> None:
    services = console.app.state.services  # type: ignore[attr-defined]
    with services.reading() as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("DELETE FROM billing_exceptions")
