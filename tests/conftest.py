"""What every suite may use: the servers that tests run against."""

from collections.abc import Iterator

import pytest

from tests.postgres_server import PostgresServer, running_postgres


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test session's own, without a database of ours."""
    with running_postgres(tmp_path_factory.mktemp("postgres-server")) as server:
        yield server
