"""On the real stack: the status is red while events or bills wait, and green again after that."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from infra.local.programs import CONNECTOR_KEEPER
from tests.integration.database_rows import complete
from tests.running_stack import RunningStack
from tests.waiting import wait_until

# Ten seconds until it is a backlog, and some for a busy machine.
RED_SECONDS = 40
GREEN_SECONDS = 90


@pytest.fixture
def application(stack: RunningStack) -> Iterator[psycopg.Connection]:
    with psycopg.connect(stack.address("app_database_url"), autocommit=True) as connection:
        yield connection


def complaints(stack: RunningStack) -> str:
    """What the keeper complains of."""
    return "; ".join(stack.processes()[CONNECTOR_KEEPER].complaints)


def wait_until_red(stack: RunningStack, text: str) -> str:
    return wait_until(
        f"it complains of {text}", lambda: complaints(stack), lambda told: text in told, RED_SECONDS
    )


def wait_until_green(stack: RunningStack) -> None:
    wait_until("nothing waits", lambda: complaints(stack), lambda told: not told, GREEN_SECONDS)


@contextmanager
def paused(stack: RunningStack) -> Iterator[None]:
    assert stack.outbox("connectors", "pause")[0] == 0
    try:
        yield
    finally:
        assert stack.outbox("connectors", "resume")[0] == 0


@pytest.fixture(autouse=True)
def in_order(stack: RunningStack) -> Iterator[None]:
    """Each test begins and ends without a complaint."""
    wait_until_green(stack)
    yield
    wait_until_green(stack)


def test_the_status_is_red_while_events_do_not_reach_kafka(
    stack: RunningStack, application: psycopg.Connection
) -> None:
    with paused(stack):
        for number in range(3):
            complete(application, f"undelivered-{number}", requiredEvaluation=True)
        told = wait_until_red(stack, "not seen in Kafka yet: 3")
        assert "`outbox doctor`" in told
        code, out, _ = stack.outbox("status")
        assert code == 1, out


def test_the_status_is_red_while_the_processors_do_not_read(
    stack: RunningStack, application: psycopg.Connection
) -> None:
    with stack.stopped("worker-1"):
        complete(application, "unread", requiredEvaluation=True)
        wait_until_red(stack, "records that outbox-billing has yet to read: 1")
