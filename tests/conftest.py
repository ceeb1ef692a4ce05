"""What every suite may use: the servers that tests run against, and how work is shared out."""

import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage
from xdist.scheduler import LoadScopeScheduling

from tests.postgres_server import PostgresServer, quick_folder, running_postgres
from tests.running_stack import RunningStack, running_stack, session_layout

# Java's second compiler pays after minutes, and few tests run as long: without it Kafka and Connect
# take 16 s of processor time in place of 27 for a stack and a demo (2 cores, 2026-11-29).
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")

ROOT = Path(__file__).parents[1]
LONG_SUITES = ("end_to_end", "faults")
CONNECT_SERVICES = "tests/integration/connectors"
"""Its tests share servers of their own, which take a quarter of a minute to start."""
MEASURED_SUITES = ("unit", "contract")
"""Those whose coverage counts: the rules are covered by tests that need no stack."""


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test session's own, without a database of ours."""
    with (
        quick_folder(tmp_path_factory.mktemp("postgres-server")) as home,
        running_postgres(home) as server,
    ):
        yield server


class Stack:
    """The stack of this test process: up from the first test that needs it to the last in a row.

    Idle it takes half a core, which the tests after it need.
    """

    def __init__(self) -> None:
        self._closing = ExitStack()
        self._running: RunningStack | None = None
        self._failure: BaseException | None = None

    def running(self) -> RunningStack:
        """Return the stack, fresh if it is not up; what failed once is not tried again."""
        if self._failure is not None:
            raise self._failure
        if self._running is None:
            try:
                self._running = self._closing.enter_context(running_stack(session_layout()))
            except BaseException as error:
                self._failure = error
                raise
        return self._running

    def close(self) -> None:
        """Take it down, if it is up."""
        self._running = None
        self._closing.close()


_stack = Stack()


@pytest.fixture
def stack() -> RunningStack:
    """The whole local stack, real; a test that needs it fails when it cannot start."""
    return _stack.running()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Take the stack down where the next test does not need it."""
    if nextitem is None or not _needs_stack(nextitem):
        _stack.close()


def pytest_sessionfinish() -> None:
    """Leave no stack behind, whatever ended the tests."""
    _stack.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure coverage where it counts: it takes a third of the machine elsewhere."""
    measuring = Coverage.current()
    if measuring is None or _suite(item) in MEASURED_SUITES:
        return (yield)
    measuring.stop()
    try:
        return (yield)
    finally:
        measuring.start()


class OneStack(LoadScopeScheduling):
    """Shares tests out by file; those that use the same servers stay in one process."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file.startswith(f"{CONNECT_SERVICES}/"):
            return CONNECT_SERVICES
        return "/".join(file.split("/")[:2]) if uses_stack(file) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneStack:
    """Where the tests run in several processes at once (`make test`)."""
    return OneStack(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no process is left with it in the end.

    Within a suite those that need the stack come first: it is started once.
    """
    items.sort(key=lambda item: (_turn(item), not _needs_stack(item)))


def _turn(item: pytest.Item) -> int:
    suite = _suite(item)
    return LONG_SUITES.index(suite) if suite in LONG_SUITES else len(LONG_SUITES)


def _needs_stack(item: pytest.Item) -> bool:
    return "stack" in getattr(item, "fixturenames", ())


def _suite(item: pytest.Item) -> str:
    return item.nodeid.split("/")[1]


@cache
def uses_stack(file: str) -> bool:
    """Whether the tests of a file use the fixture `stack`, by what it imports.

    Those of `servers` have servers of their own, a file.
    """
    if file.startswith("tests/servers/"):
        return False
    source = (ROOT / file).read_text(encoding="utf-8")
    return "import RunningStack" in source or "end_to_end.books" in source
