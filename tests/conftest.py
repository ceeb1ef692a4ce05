"""What every suite may use: the servers that tests run against."""

from collections.abc import Iterator

import pytest

from tests.postgres_server import PostgresServer, running_postgres
from tests.running_stack import RunningStack, running_stack, session_layout


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test session's own, without a database of ours."""
    with running_postgres(tmp_path_factory.mktemp("postgres-server")) as server:
        yield server


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """The whole local stack, real and fresh; a test that needs it fails when it cannot start."""
    with running_stack(session_layout()) as running:
        yield running
