"""A database that is away, slow or broken: what the API says, and what has happened then."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Connection as Held
from sqlalchemy import text

from producer_app.api.application import create_application
from producer_app.database import connect
from tests.integration.producer.stories import hold_session, key, problem, sign_and_activate
from tests.producer_api import served
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx
    from psycopg import Connection
    from sqlalchemy import Engine

    Events = Callable[[], list[dict[str, Any]]]

UNCHANGED = ["contract.signed", "contract.activated"]
COMPLETED = [*UNCHANGED, "service.consumed", "services.session.completed"]
WAITING = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    " AND usename = 'outbox_application' AND wait_event = %s"
)


@contextmanager
def locked_session(engine: Engine) -> Iterator[Held]:
    """Hold the session's row: whoever completes it has locked its entitlement, and waits."""
    with engine.begin() as connection:
        connection.execute(text("SELECT FROM mentoring.sessions FOR UPDATE"))
        yield connection


def waiting_process(admin: Connection, wait_event: str) -> int:
    """The server process of the request that waits."""
    rows = wait_until(
        f"a request waits for {wait_event}",
        lambda: admin.execute(WAITING, [wait_event]).fetchall(),
        is_so=lambda rows: len(rows) == 1,
    )
    return int(rows[0][0])


def told_unavailable(response: httpx.Response) -> bool:
    told = (response.status_code, problem(response), response.headers["Retry-After"])
    return told == (503, "database-unavailable", "2")


@pytest.fixture
def ready(api: httpx.Client) -> httpx.Client:
    """A session that can be completed."""
    sign_and_activate(api)
    hold_session(api)
    return api


def types(events: Events) -> list[str]:
    return [event["event_type"] for event in events()]


def test_risk_2_a_connection_killed_at_work_leaves_nothing_and_the_request_can_be_repeated(
    ready: httpx.Client, engine: Engine, admin: Connection, events: Events
) -> None:
    with ThreadPoolExecutor() as threads, locked_session(engine):
        request = threads.submit(ready.post, "/sessions/session-1/completion", headers=key())
        victim = waiting_process(admin, "transactionid")
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", [victim])
        assert told_unavailable(request.result())
    assert types(events) == UNCHANGED
    repeated = ready.post("/sessions/session-1/completion", headers=key())
    assert repeated.status_code == 200
    assert types(events) == COMPLETED


def test_risk_2_a_connection_killed_while_it_commits_leaves_nothing_of_change_event_or_key(
    ready: httpx.Client, engine: Engine, admin: Connection, events: Events
) -> None:
    slow_commit = """
        CREATE FUNCTION mentoring.wait() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON mentoring.idempotency_keys
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION mentoring.wait();
    """
    with engine.begin() as connection:
        connection.exec_driver_sql(slow_commit)
    with ThreadPoolExecutor() as threads:
        request = threads.submit(ready.post, "/sessions/session-1/completion", headers=key())
        victim = waiting_process(admin, "PgSleep")
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", [victim])
        assert told_unavailable(request.result())
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER slow_commit ON mentoring.idempotency_keys")
    assert types(events) == UNCHANGED
    assert ready.get("/sessions/session-1").json()["completedAt"] is None
    assert ready.post("/sessions/session-1/completion", headers=key()).status_code == 200
    assert types(events) == COMPLETED


@pytest.mark.usefixtures("ready")
def test_a_statement_that_takes_too_long_is_ended_and_leaves_nothing(
    engine: Engine, events: Events
) -> None:
    url = engine.url.render_as_string(hide_password=False)
    impatient = connect(url, statement_timeout_seconds=0.3)
    application = create_application(impatient, timedelta(hours=1))
    with locked_session(engine), served(application) as client:
        assert told_unavailable(client.post("/sessions/session-1/completion", headers=key()))
    assert types(events) == UNCHANGED


@pytest.mark.usefixtures("ready")
def test_a_request_that_finds_no_connection_free_does_not_wait_for_ever(
    engine: Engine, admin: Connection, events: Events
) -> None:
    url = engine.url.render_as_string(hide_password=False)
    small = connect(url, pool_size=1, pool_timeout_seconds=0.2)
    application = create_application(small, timedelta(hours=1))
    with served(application) as client, ThreadPoolExecutor() as threads:
        with locked_session(engine):
            first = threads.submit(client.post, "/sessions/session-1/completion")
            waiting_process(admin, "transactionid")
            assert told_unavailable(client.get("/sessions/session-1"))
            assert told_unavailable(client.get("/health"))
            # What needs no database is answered meanwhile: nobody blocks the event loop.
            assert client.get("/openapi.json").status_code == 200
        assert first.result().status_code == 200
    assert types(events) == COMPLETED


def test_a_database_that_is_away_is_told_by_everything_that_needs_it() -> None:
    nowhere = connect("postgresql://outbox_application@127.0.0.1:1/away")
    with served(create_application(nowhere, timedelta(hours=1))) as client:
        assert told_unavailable(client.get("/health"))
        assert told_unavailable(client.get("/users/user-1"))
        assert told_unavailable(client.post("/users", json={"userId": "user-1"}))


def test_a_fault_of_the_api_itself_is_told_without_its_inside(
    api: httpx.Client, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE mentoring.users")
    failed = api.post("/users", json={"userId": "user-1"}, headers=key())
    assert (failed.status_code, problem(failed)) == (500, "internal-error")
    assert "mentoring" not in failed.text
    assert "Error" not in failed.text
    assert failed.json()["instance"] in caplog.text
    # The server ends the connection, and says so: the next request of this client is answered.
    assert failed.headers["Connection"] == "close"
    assert api.get("/health").status_code == 200
    # Nothing is kept of it: the same request can succeed once the cause is mended.
    with engine.begin() as connection:
        assert (
            connection.exec_driver_sql(
                "SELECT count(*) FROM mentoring.idempotency_keys"
            ).scalar_one()
            == 0
        )
