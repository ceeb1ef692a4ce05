"""The connectors in the console while nothing answers at Kafka Connect's address."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from httpx import Response
from starlette.testclient import TestClient

from operations.actions import record_action
from operations.console.users import Role, made_user, write_users
from operations.settings import Settings
from tests.integration.console.conftest import NOWHERE, MakeConsole
from tests.integration.console.visiting import read, targets
from tests.postgres_server import PostgresServer


@pytest.fixture
def addresses(postgres_server: PostgresServer, owner: psycopg.Connection) -> Settings:
    url = postgres_server.url("outbox_owner", owner.info.dbname)
    return Settings(
        database_url=url, kafka_bootstrap_servers=NOWHERE, connect_url=f"http://{NOWHERE}"
    )


def test_a_connect_that_is_down_is_said_with_what_people_did_before(
    make_console: MakeConsole, addresses: Settings, owner: psycopg.Connection
) -> None:
    record_action(owner, action="connectors.pause", subject="outbox-events", actor="Dana")
    record_action(owner, action="replay", subject="outbox-events", actor="Robin")
    answer = make_console(addresses=addresses).get("/connectors")
    assert answer.status_code == 200
    said = read(answer.text)
    assert f"Kafka Connect cannot be reached at http://{NOWHERE}" in said
    assert "slot outbox_events absent" in said
    assert "Dana pause outbox-events" in said
    assert "Robin" not in said
    assert "started by a person never" in said, "a pause starts nothing"
    assert not [target for target in targets(answer.text) if "/connectors/" in target]


def test_an_act_on_a_connect_that_is_down_is_refused_in_words(
    make_console: MakeConsole, addresses: Settings, owner: psycopg.Connection
) -> None:
    answer = make_console(addresses=addresses).post("/connectors/outbox-events/restart")
    assert answer.status_code == 503
    assert "Kafka Connect cannot be reached" in read(answer.text)
    assert owner.execute("SELECT count(*) FROM operator_actions").fetchone() == (0,)


@pytest.mark.parametrize(
    "act",
    [
        lambda console: console.post("/connectors/outbox-events/restart"),
        lambda console: console.get("/connectors/outbox-events/restart"),
        lambda console: console.post("/connectors/outbox-events/apply"),
        lambda console: console.post("/reconciliation"),
    ],
)
def test_a_viewer_reads_and_does_not_act(
    make_console: MakeConsole,
    addresses: Settings,
    owner: psycopg.Connection,
    tmp_path: Path,
    act: Callable[[TestClient], Response],
) -> None:
    users = tmp_path / "users.json"
    write_users(users, {"vera": made_user("vera", Role.VIEWER, "a long password")})
    console = make_console(addresses=addresses, users_file=users)
    console.post("/login", data={"name": "vera", "password": "a long password"})
    assert act(console).status_code == 403
    assert "An operator can run it now, here." in read(console.get("/reconciliation").text)
    assert owner.execute("SELECT count(*) FROM operator_actions").fetchone() == (0,)
