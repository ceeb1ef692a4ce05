"""The connectors in the console, on real PostgreSQL and Connect: what it shows, what acts do."""

import time
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from connectors.apply import delete, pause
from infra.local.connect import secrets_file
from infra.local.programs import CONNECTOR_KEEPER
from operations.connector_sites import SECRETS_FILE
from operations.console.services import Services
from operations.settings import Settings
from tests.connect_services import ConnectServices
from tests.integration.console.visiting import read, targets, visiting
from tests.processes import free_port, running

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("running_connector")]

PATIENCE_SECONDS = 60
RESTART = "/connectors/outbox-events/restart"
APPLY = "/connectors/outbox-events/apply"


@pytest.fixture
def addresses(services: ConnectServices, monkeypatch: pytest.MonkeyPatch) -> Services:
    monkeypatch.setenv(SECRETS_FILE, str(secrets_file(services.layout)))
    names = ("database_url", "connect_url", "kafka_bootstrap_servers")
    settings = {name: services.address(name) for name in names}
    return Services(Settings(**settings), {CONNECTOR_KEEPER: "http://127.0.0.1:1/health"})


@pytest.fixture
def console(addresses: Services) -> Iterator[TestClient]:
    with visiting(addresses) as client:
        yield client


def acts(services: ConnectServices) -> list[tuple[str, str, str]]:
    """Who did what to a connector, the newest first."""
    return services.query(
        "SELECT actor, action, subject FROM operator_actions "
        "WHERE starts_with(action, 'connectors.') ORDER BY id DESC"
    )


def test_a_connector_that_runs_as_defined_is_shown_so(console: TestClient) -> None:
    html = console.get("/connectors").text
    said = read(html)
    assert 'data-health="good"' in html
    assert "outbox-events running" in said
    assert "slot outbox_events read" in said
    assert "It runs as defined: there is nothing to apply." in said
    assert APPLY not in targets(html)
    assert "the keeper, which starts what fails, does not answer" in said


def test_a_restart_is_explained_then_done_and_shown_with_who_did_it(
    console: TestClient, services: ConnectServices
) -> None:
    assert RESTART in targets(console.get("/connectors").text)
    asked = console.get(RESTART).text
    assert "Events that are inserted meanwhile wait in PostgreSQL" in read(asked)
    before = len(acts(services))
    said = read(console.post(RESTART).text)
    assert "outbox-events was restarted, and reads its slot." in said
    (actor, action, subject), *earlier = acts(services)
    assert (action, subject, len(earlier)) == ("connectors.restart", "outbox-events", before)
    assert f"started by a person, {actor} (restart)" in said
    assert services.delivered(services.insert()) is not None


def test_what_differs_is_shown_key_by_key_and_applied(
    console: TestClient, services: ConnectServices
) -> None:
    config = {**services.definition.config, "poll.interval.ms": "77"}
    services.client.put_config(services.definition.name, config)
    pause(services.site)
    said = read(console.get("/connectors").text)
    assert "outbox-events paused" in said
    assert "state PAUSED RUNNING" in said
    assert f"poll.interval.ms 77 {services.definition.config['poll.interval.ms']}" in said
    said = read(console.post(APPLY).text)
    assert "outbox-events runs as defined, and reads its slot (update)." in said
    assert acts(services)[0][1:] == ("connectors.apply", "outbox-events")
    assert services.delivered(services.insert()) is not None


def test_a_connector_that_is_not_there_is_made(
    console: TestClient, services: ConnectServices
) -> None:
    delete(services.site)
    html = console.get("/connectors").text
    assert "Kafka Connect has no connector outbox-events: no event reaches Kafka." in read(html)
    assert RESTART not in targets(html)
    console.post(APPLY)
    assert services.delivered(services.insert()) is not None


def test_a_connector_whose_slot_is_gone_is_started_by_nobody_here(
    console: TestClient, services: ConnectServices
) -> None:
    services.drop_slot()
    services.failure()
    html = console.get("/connectors").text
    said = read(html)
    assert 'data-health="bad"' in html
    assert "Replication slot outbox_events is gone" in said
    assert "outbox connectors recover" in said
    assert not {RESTART, APPLY} & set(targets(html))
    answer = console.post(RESTART)
    assert answer.status_code == 409
    assert "Replication slot outbox_events is gone" in read(answer.text)
    assert not services.slot_exists()
    assert acts(services)[0][1] == "connectors.restart", "that it was tried is told as well"


def test_a_connector_of_no_name_of_ours_is_not_found(console: TestClient) -> None:
    assert console.get("/connectors/another/restart").status_code == 404
    assert console.post("/connectors/another/apply").status_code == 404


def test_the_verbs_leave_a_row_with_who_did_it(services: ConnectServices) -> None:
    before = len(acts(services))
    for arguments in (["pause"], ["resume"], ["restart"], ["delete", "--yes"], ["apply"]):
        code, _, said = services.outbox("connectors", *arguments, "--by", "Dana")
        assert code == 0, said
    services.outbox("connectors", "apply", "--by", "Dana")
    done = acts(services)[: len(acts(services)) - before]
    assert done == [
        ("Dana", f"connectors.{verb}", "outbox-events")
        for verb in ("apply", "delete", "restart", "resume", "pause")
    ], "and applying what runs as defined is no act"


def test_a_task_that_failed_says_why_and_that_the_keeper_started_it_again(
    addresses: Services, services: ConnectServices
) -> None:
    port = free_port()
    settings = {
        "HOME": str(services.layout.home),
        "PORT_BASE": str(services.layout.port_base),
        "HEALTH_PORT": str(port),
        "DATABASE_URL": services.address("database_url"),
        "CONNECT_URL": services.address("connect_url"),
        "KAFKA_BOOTSTRAP_SERVERS": services.address("kafka_bootstrap_servers"),
    }
    watched = Services(addresses.addresses, {CONNECTOR_KEEPER: f"http://127.0.0.1:{port}/health"})
    with services.wrong_password(), visiting(addresses) as console:
        said = read(console.get("/connectors").text)
        assert "password authentication failed" in said
        assert "0 failed" in said
    with running("operations.keeper", settings), visiting(watched) as console:
        said = ""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while "started by the keeper, 1 time since" not in said:
            assert time.monotonic() < deadline, said
            said = read(console.get("/connectors").text)
            time.sleep(0.5)
    assert services.delivered(services.insert()) is not None
