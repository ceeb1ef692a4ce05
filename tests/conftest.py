"""What every suite may use: the servers that tests run against, and how work is shared out."""

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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what shares servers in one process, and begin with what takes longest.

    Where the tests run in two processes at once (`make test`), a group stays in one of them: all
    that needs the stack, or the tests of one file.
    """
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=_turn)


def _group(item: pytest.Item) -> str:
    return "stack" if "stack" in getattr(item, "fixturenames", ()) else item.path.as_posix()


def _turn(item: pytest.Item) -> int:
    if _group(item) == "stack":
        return 0
    return 1 if "faults" in item.path.parts else 2
