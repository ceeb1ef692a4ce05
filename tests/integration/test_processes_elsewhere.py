"""Processes that nobody here has started, by what their pages and the services say."""

import pytest
from click.testing import CliRunner

from infra.local.layout import layout_from_environment
from infra.postgres.migrate import OWNER
from operations.main import main
from operations.processes import Processes
from operations.settings import load_settings
from stream_processors.engine.health import Pages, serve_pages
from stream_processors.environment import SettingsError
from tests.postgres_server import PostgresServer
from tests.processes import free_port

NOWHERE = "127.0.0.1:9"


@pytest.fixture(autouse=True)
def _elsewhere(
    monkeypatch: pytest.MonkeyPatch, postgres_server: PostgresServer, database: str
) -> None:
    well, ill = free_port(), free_port()
    serve_pages(("127.0.0.1", well), Pages("worker-1", lambda: {"ready": True}))
    told = {"ready": False, "faults": {"delivery": "events wait"}}
    serve_pages(("127.0.0.1", ill), Pages("connector-keeper", lambda: told))
    named = {
        "worker-1": f"http://127.0.0.1:{well}/",
        "connector-keeper": f"http://127.0.0.1:{ill}",
        "ledger-writer": f"http://{NOWHERE}",
    }
    monkeypatch.setenv("OUTBOX_PROCESSES", ", ".join(f"{k}={v}" for k, v in named.items()))
    monkeypatch.setenv("OUTBOX_DATABASE_URL", postgres_server.url(OWNER, database))
    monkeypatch.setenv("OUTBOX_KAFKA_BOOTSTRAP_SERVERS", NOWHERE)
    monkeypatch.setenv("OUTBOX_CONNECT_URL", f"http://{NOWHERE}")


def test_each_says_for_itself_whether_it_works_and_what_is_silent_does_not_run() -> None:
    found = Processes(load_settings(), layout_from_environment()).look()
    assert {each.name: (each.runs, each.is_well) for each in found} == {
        "postgres": (True, True),
        "kafka": (False, False),
        "connect": (False, False),
        "worker-1": (True, True),
        "connector-keeper": (True, False),
        "ledger-writer": (False, False),
    }
    [keeper] = [each for each in found if each.name == "connector-keeper"]
    assert keeper.complaints == ("events wait",)


def test_status_shows_them_and_no_password(postgres_server: PostgresServer) -> None:
    done = CliRunner().invoke(main, ["status"])
    assert done.exit_code == 1
    assert "worker-1" in done.stdout
    assert "silent" in done.stdout
    assert "connector-keeper: events wait" in done.stderr
    assert postgres_server.passwords[OWNER] not in done.output


def test_an_address_that_is_none_is_refused_by_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTBOX_PROCESSES", "worker-1:8080")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert "OUTBOX_PROCESSES" in refused.value.faults
