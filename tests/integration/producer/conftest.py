"""The application of producer_app on a test's own database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from psycopg.rows import dict_row

from producer_app.database import connect, create_tables
from producer_app.service import MentoringService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
