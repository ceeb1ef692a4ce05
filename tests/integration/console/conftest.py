"""The console's real application on a test's own database."""

from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import pytest
from starlette.testclient import TestClient

from infra.local.status import ProcessStatus
from infra.postgres.migrate import OWNER
from operations.console.application import make_application
from operations.console.observing import Observer
from operations.console.services import Services
from operations.console.settings import ConsoleSettings
from operations.settings import Settings
from tests.postgres_server import PostgresServer

ORIGIN = "http://127.0.0.1:25405"
NOWHERE = "127.0.0.1:1"

MakeConsole = Callable[..., TestClient]


@pytest.fixture
def make_console(postgres_server: PostgresServer, owner: psycopg.Connection) -> MakeConsole:
    """Makes a browser without JavaScript at a console; it does not follow redirects.

    `processes` are what the console sees of the stack; other settings are those of the console.
    """

    def make(processes: Sequence[ProcessStatus] = (), **settings: Any) -> TestClient:
        url = postgres_server.url(OWNER, owner.info.dbname)
        addresses = Settings(database_url=url, kafka_bootstrap_servers=NOWHERE)
        services = Services(settings.pop("addresses", addresses))
        console_settings = ConsoleSettings.model_validate({"port": 25405, **settings})
        application = make_application(
            console_settings, services, Observer(services, lambda: processes)
        )
        (origin,) = {console_settings.origin or ORIGIN}
        return TestClient(
            application, base_url=origin, headers={"Origin": origin}, follow_redirects=False
        )

    return make


@pytest.fixture
def console(make_console: MakeConsole) -> TestClient:
    """A console on loopback, without a login."""
    return make_console()
