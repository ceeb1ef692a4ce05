"""What `outbox maintain` prints, where, and how it ends."""

import json

import psycopg
import pytest
from click.testing import CliRunner, Result

from infra.postgres.migrate import OWNER
from operations.main import main
from tests.integration.database_rows import completed_payload
from tests.integration.old_days import OLD_DAYS, make_day, noon, old_session, write_at
from tests.integration.reconciled import insert_price, post
from tests.postgres_server import PostgresServer


@pytest.fixture
def outbox(
    postgres_server: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> CliRunner:
    monkeypatch.setenv("OUTBOX_DATABASE_URL", postgres_server.url(OWNER, database))
    return CliRunner()


def run(outbox: CliRunner, *arguments: str) -> Result:
    return outbox.invoke(main, ["maintain", *arguments])


def test_a_day_that_was_dropped_is_told_on_both_outputs_and_the_exit_code_is_0(
    outbox: CliRunner, owner: psycopg.Connection
) -> None:
    old_session(owner, "s")
    result = run(outbox, "--output", "json")
    assert result.exit_code == 0, result.output
    done = json.loads(result.stdout)
    (dropped,) = done["dropped"]
    assert dropped.pop("locked_milliseconds") >= 0
    assert dropped == {"day": f"{noon(OLD_DAYS):%Y-%m-%d}", "events": 1}
    assert (done["archived"], done["kept"], done["fine"]) == (1, [], True)
    assert "1 event archived, the day dropped" in result.stderr


def test_a_day_that_is_kept_makes_the_exit_code_1_and_says_what_to_do(
    outbox: CliRunner, owner: psycopg.Connection
) -> None:
    make_day(owner, OLD_DAYS)
    lost = write_at(owner, noon(OLD_DAYS), completed_payload("lost"))
    for output in ("json", "table"):
        result = run(outbox, "--output", output)
        assert result.exit_code == 1
        assert str(lost.id) in result.stderr
        assert "outbox replay --event" in result.stderr
        assert "undelivered" in result.stdout
    (kept,) = json.loads(run(outbox, "--output", "json").stdout)["kept"]
    assert (kept["reason"], kept["events"], kept["event_ids"]) == ("undelivered", 1, [str(lost.id)])


def test_the_ledger_is_sealed_and_the_head_of_the_chain_told(
    outbox: CliRunner, owner: psycopg.Connection
) -> None:
    insert_price(owner)
    post(owner, "s")
    seal = json.loads(run(outbox, "--output", "json").stdout)["seal"]
    assert seal["entries"] == 1
    assert seal["head"] == f"{seal['number']}:{seal['hash']}"
    assert f"{seal['number'] + 1}:" in run(outbox).stdout
    assert outbox.invoke(main, ["ledger", "verify"]).exit_code == 0


def test_a_ledger_that_cannot_be_sealed_is_said_and_the_day_is_dropped_all_the_same(
    outbox: CliRunner, owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("operations.ledger.sealing._TRIES", 1)
    old_session(owner, "s")
    with owner.transaction():
        post(owner, "s")
        result = run(outbox, "--output", "json")
    assert result.exit_code == 1
    assert "The ledger was not sealed" in result.stderr
    done = json.loads(result.stdout)
    assert (len(done["dropped"]), done["seal"], done["fine"]) == (1, None, False)
    assert run(outbox).exit_code == 0


def test_a_database_that_cannot_be_reached_is_exit_code_3(
    outbox: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTBOX_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/outbox")
    result = run(outbox)
    assert result.exit_code == 3
    assert result.stdout == ""
