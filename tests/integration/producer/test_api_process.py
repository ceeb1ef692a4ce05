"""The API as its own process: how it starts, how it refuses to, and how it survives its end."""

from __future__ import annotations

import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest

from producer_app.database import connect, create_tables
from tests.integration.producer.stories import hold_session, key, sign_and_activate
from tests.producer_api import STOP_SECONDS, running_api, start_api
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from psycopg import Connection
    from sqlalchemy import Engine

COMPLETION = "/sessions/session-1/completion"
NOWHERE = "postgresql://outbox_application:secret@127.0.0.1:1/away"


@pytest.fixture
def url(postgres_server: Any, application: Connection) -> str:
    return str(postgres_server.url("outbox_application", application.info.dbname))


def ended(log: Path, **settings: object) -> tuple[int, str]:
    """The exit code and all that is said of an API that does not start."""
    code = start_api(log, **settings).wait(60)
    return code, log.read_text()


def test_it_makes_its_tables_serves_on_loopback_and_stops_when_told(
    url: str, tmp_path: Path
) -> None:
    with running_api(url, tmp_path / "log") as api:
        assert api.url.startswith("http://127.0.0.1:")
        with httpx.Client(base_url=api.url) as client:
            sign_and_activate(client)
        api.process.send_signal(signal.SIGTERM)
        # Uvicorn raises the signal again once it has stopped.
        assert api.process.wait(STOP_SECONDS) == -signal.SIGTERM


def test_processes_that_start_at_once_make_the_tables_together(url: str) -> None:
    engines = [connect(url) for _ in range(4)]
    start = Barrier(len(engines))

    def make(engine: Engine) -> None:
        start.wait()
        create_tables(engine)
        engine.dispose()

    with ThreadPoolExecutor() as threads:
        list(threads.map(make, engines))


def test_killed_while_it_works_it_leaves_nothing_and_another_one_goes_on(
    url: str, tmp_path: Path, admin: Connection, events: Callable[[], list[dict[str, Any]]]
) -> None:
    with ThreadPoolExecutor() as threads, psycopg.connect(url) as lock:
        with running_api(url, tmp_path / "first", api_statement_timeout_seconds=60) as first:
            with httpx.Client(base_url=first.url) as client:
                sign_and_activate(client)
                hold_session(client)
            lock.execute("SELECT FROM mentoring.sessions FOR UPDATE")
            request = threads.submit(httpx.post, first.url + COMPLETION, headers=key(), timeout=60)
            waiting = (
                "SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted"
            )
            wait_until(
                "the request waits for the row",
                lambda: admin.execute(waiting).fetchone(),
                is_so=lambda row: row == (1,),
            )
            first.process.kill()
            with pytest.raises(httpx.TransportError):
                request.result()
        lock.rollback()
        with running_api(url, tmp_path / "second") as second:
            # The database may need a moment to see that nobody is there any more.
            answer = wait_until(
                "the request is carried out",
                lambda: httpx.post(second.url + COMPLETION, headers=key()),
                is_so=lambda answer: answer.status_code != 409,
            )
    assert answer.status_code == 200
    happened = [event["event_type"] for event in events()]
    assert happened.count("services.session.completed") == 1
    assert happened.count("service.consumed") == 1


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "OUTBOX_APP_DATABASE_URL: Field required"),
        ({"app_database_url": "secret"}, "OUTBOX_APP_DATABASE_URL: it is not a URL"),
        (
            {"app_database_url": "mysql://u:secret@h/d"},
            "OUTBOX_APP_DATABASE_URL: it is a URL of my",
        ),
        ({"app_database_url": NOWHERE, "api_port": "70000"}, "OUTBOX_API_PORT: Input should be"),
        ({"app_database_url": NOWHERE, "api_pool_size": "0"}, "OUTBOX_API_POOL_SIZE: Input should"),
        (
            {"app_database_url": NOWHERE, "api_statement_timeout_seconds": "soon"},
            "OUTBOX_API_STATEMENT_TIMEOUT_SECONDS: Input should be a valid number",
        ),
    ],
)
def test_a_wrong_setting_ends_it_with_its_name(
    tmp_path: Path, settings: dict[str, object], named: str
) -> None:
    code, told = ended(tmp_path / "log", **settings)
    assert code == 2
    assert told.startswith(named)
    assert "secret" not in told
    assert "Traceback" not in told


def test_a_taken_port_ends_it_with_the_name_of_the_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, told = ended(tmp_path / "log", app_database_url=NOWHERE, api_port=port)
    assert code == 2
    assert told.startswith(f"OUTBOX_API_PORT: 127.0.0.1:{port}: Address already in use.")


def test_a_database_that_is_away_ends_it_with_what_to_do(tmp_path: Path) -> None:
    code, told = ended(tmp_path / "log", app_database_url=NOWHERE, api_port=0)
    assert code == 3
    assert told.startswith("OUTBOX_APP_DATABASE_URL: the application's tables can't be created")
    assert "outbox up" in told
    assert "secret" not in told
    assert "Traceback" not in told
