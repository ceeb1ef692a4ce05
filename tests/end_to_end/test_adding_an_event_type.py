"""docs/adding-an-event-type.md, step by step, as it stands there: so it cannot rot."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from infra.postgres.migrate import OWNER, apply_migrations, bootstrap
from tests.end_to_end.guide import Block, Checkout, read_guide
from tests.postgres_server import PostgresServer
from tests.running_stack import PATIENT_SCHEDULER, session_port_base
from tests.waiting import wait_until
from tests.webhook_receiver import Receiver, receiving

PORTS_AFTER_THE_SESSIONS = 300
RECEIVER = "http://127.0.0.1:9000/reviews"
TRY_IT = "8. Try it"
KEEPS_ITS_DATA = "A database that keeps its data"
BLOCKS = read_guide("adding-an-event-type.md")
STATUS = "SELECT status, billing FROM domain_event_status WHERE event_type = 'mentor.reviewed'"
_SIGNUP = """
    INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload)
    VALUES ('user', 'u', 'user.signup', '{"userId": "u", "signedUpAt": "2026-03-01T12:00:00Z"}')
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    settings = {
        "OUTBOX_HOME": str(tmp_path / "stack"),
        "OUTBOX_PORT_BASE": str(session_port_base() + PORTS_AFTER_THE_SESSIONS),
        "NO_PROXY": "127.0.0.1",
        **PATIENT_SCHEDULER,
    }
    checkout = Checkout(tmp_path / "checkout", settings)
    yield checkout
    checkout.run(".venv/bin/outbox down --purge")


def before(section: str) -> list[Block]:
    """The blocks of the guide above a heading."""
    return BLOCKS[: next(at for at, block in enumerate(BLOCKS) if block.section == section)]


def of(section: str, language: str) -> list[Block]:
    return [block for block in BLOCKS if (block.section, block.language) == (section, language)]


def refusal(application: psycopg.Connection, statement: str) -> str:
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        application.execute(statement.encode())
    return f"ERROR:  {caught.value.diag.message_primary}"


def told(receiver: Receiver) -> dict[str, Any]:
    [post] = wait_until("a post", lambda: list(receiver.posts), bool, seconds=60)
    found: dict[str, Any] = json.loads(post.body)
    return found


def pointed_at(receiver: Receiver, block: Block) -> Block:
    return Block(
        block.section, block.language, block.file, block.text.replace(RECEIVER, receiver.url)
    )


@pytest.mark.timeout(900)
def test_the_steps_of_the_guide_bring_a_new_event_from_the_insert_to_its_agent(
    checkout: Checkout,
) -> None:
    for block in before(TRY_IT):
        checkout.take(block)
    checkout.run(".venv/bin/python -m schemas.contract --check")
    start, stop = of(TRY_IT, "console")
    right, wrong = of(TRY_IT, "sql")
    [expected] = of(TRY_IT, "json")
    [error] = of(TRY_IT, "text")
    with receiving() as receiver:
        checkout.take(pointed_at(receiver, start))
        addresses = json.loads(checkout.run(".venv/bin/outbox env"))
        with psycopg.connect(addresses["app_database_url"], autocommit=True) as application:
            application.execute(right.text.encode())
            assert refusal(application, wrong.text) == error.text.strip()
        found = told(receiver)
        assert {**json.loads(expected.text), **_own(found)} == found
        with psycopg.connect(addresses["database_url"], autocommit=True) as owner:
            wait_until(
                "it has its receipt, and nothing is owed",
                lambda: owner.execute(STATUS).fetchall(),
                [("published", "not_billable")].__eq__,
            )
        checkout.run(".venv/bin/outbox reconcile")
        checkout.take(stop)
    assert len(receiver.posts) == 1


def _own(found: dict[str, Any]) -> dict[str, Any]:
    """What differs from event to event."""
    return {name: found[name] for name in ("id", "created_at")}


@pytest.fixture
def released(postgres_server: PostgresServer) -> Iterator[str]:
    """Name of a database as this checkout makes it, with an event in it."""
    name = "outbox_test_released"
    bootstrap(postgres_server.admin_url, postgres_server.passwords, name)
    apply_migrations(postgres_server.url(OWNER, name))
    with psycopg.connect(postgres_server.url("outbox_application", name)) as application:
        application.execute(_SIGNUP)
    yield name
    with psycopg.connect(postgres_server.admin_url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_a_database_that_keeps_its_data_takes_the_new_event_after_one_more_migration(
    postgres_server: PostgresServer, released: str, tmp_path: Path
) -> None:
    url = postgres_server.url(OWNER, released)
    checkout = Checkout(tmp_path / "checkout", {"DATABASE_URL": url})
    [generate, _] = of("5. The contract and the database", "console")
    for block in [*before("5. The contract and the database"), generate]:
        checkout.take(block)
    right, wrong = of(TRY_IT, "sql")
    [migrate] = of(KEEPS_ITS_DATA, "console")
    application_url = postgres_server.url("outbox_application", released)
    with psycopg.connect(application_url, autocommit=True) as application:
        assert "mentor.reviewed" in refusal(application, right.text)
        checkout.take(migrate)
        application.execute(right.text.encode())
        assert "stars" in refusal(application, wrong.text)
    with psycopg.connect(url) as owner:
        kept = owner.execute("SELECT event_type FROM domain_events ORDER BY 1").fetchall()
    assert kept == [("mentor.reviewed",), ("user.signup",)]


def test_a_step_that_does_not_print_what_the_guide_says_is_noticed(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "checkout", {})
    checkout.take(Block("", "console", None, "$ printf 'a 12\\nb\\nc\\n'\na 7\nc\n"))
    for text in ("$ printf 'c\\na\\n'\na\nc\n", "$ true\na\n", "$ false\n"):
        with pytest.raises(AssertionError):
            checkout.take(Block("", "console", None, text))
    with pytest.raises(AssertionError, match="patch does not apply"):
        checkout.take(Block("", "diff", None, before(TRY_IT)[1].text.replace(" )\n", " ]\n")))
