"""The application of producer_app on a test's own database."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.rows import dict_row

from producer_app.api.application import create_application
from producer_app.database import connect, create_tables
from producer_app.service import MentoringService
from tests.producer_api import served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx
    from psycopg import Connection
    from sqlalchemy import Engine


@pytest.fixture
def engine(postgres_server: Any, application: Connection) -> Iterator[Engine]:
    database = application.info.dbname
    engine = connect(postgres_server.url("outbox_application", database), pool_size=8)
    create_tables(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def service(engine: Engine) -> MentoringService:
    return MentoringService(engine)


@pytest.fixture
def events(owner: Connection) -> Callable[[], list[dict[str, Any]]]:
    def read() -> list[dict[str, Any]]:
        with owner.cursor(row_factory=dict_row) as cursor:
            cursor.execute("SELECT * FROM domain_events ORDER BY id")
            return cursor.fetchall()

    return read


@pytest.fixture
def api(engine: Engine) -> Iterator[httpx.Client]:
    """The API, served from a thread of this process; a client to it."""
    with served(create_application(engine, timedelta(hours=24))) as client:
        yield client


@pytest.fixture(scope="module")
def lasting_api(postgres_server: Any, module_database: str) -> Iterator[httpx.Client]:
    """The same for all tests of a module, on a database of their own: quicker."""
    engine = connect(postgres_server.url("outbox_application", module_database))
    create_tables(engine)
    with served(create_application(engine, timedelta(hours=24))) as client:
        yield client
