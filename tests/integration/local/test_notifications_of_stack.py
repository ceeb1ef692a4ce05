"""`outbox up` with a webhook in its environment, and without."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.integration.local.test_running_stack import wait_until_whole
from tests.running_stack import RunningStack
from tests.waiting import wait_until
from tests.webhook_receiver import receiving, status

URL = "OUTBOX_SIGNUP_WEBHOOK_URL"
_SIGNUP = """
    INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload)
    VALUES ('user', 'u-1', 'user.signup', '{"userId": "u-1", "signedUpAt": "2026-03-01T12:00:00Z"}')
    RETURNING id::text
"""


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@contextmanager
def told_of(stack: RunningStack, url: str) -> Iterator[None]:
    """The stack while it has somebody to tell."""
    code, _, err = stack.outbox("up", settings={URL: url})
    assert code == 0, err
    try:
        yield
    finally:
        code, _, err = stack.outbox("up")
        assert code == 0, err


def sign_up(stack: RunningStack) -> str:
    with psycopg.connect(stack.address("app_database_url"), autocommit=True) as application:
        row = application.execute(_SIGNUP).fetchone()
    assert row is not None
    return str(row[0])


def log_of(stack: RunningStack) -> str:
    return stack.layout.log("notifications").read_text()


def listed(stack: RunningStack) -> list[str]:
    code, out, _ = stack.outbox("status", "--output", "json")
    assert code == 0
    return [process["name"] for process in json.loads(out)]


@pytest.mark.timeout(300)
def test_the_process_is_there_while_a_webhook_is_set_and_is_restarted_like_the_others(
    stack: RunningStack,
) -> None:
    wait_until_whole(stack)
    others = {name: process.pid for name, process in stack.processes().items()}
    assert "notifications" not in others
    with told_of(stack, "http://127.0.0.1:9/hook"):
        assert listed(stack) == [*others, "notifications"]
        pid = stack.processes()["notifications"].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(
            "it is back",
            lambda: stack.processes()["notifications"],
            lambda process: process.healthy and process.pid not in {None, pid},
            seconds=90,
        )
    assert listed(stack) == list(others)
    assert {name: process.pid for name, process in stack.processes().items()} == others


def test_a_wrong_address_is_refused_by_its_name_and_what_runs_stays_as_it_is(
    stack: RunningStack,
) -> None:
    wait_until_whole(stack)
    before = {name: process.pid for name, process in stack.processes().items()}
    code, _, err = stack.outbox("up", settings={URL: "hooks.example.com"})
    assert code != 0
    assert f"{URL}: is no http:// or https:// address with a host" in err
    assert {name: process.pid for name, process in stack.processes().items()} == before


def test_what_is_not_taken_is_in_the_log_and_in_the_status_which_stays_green(
    stack: RunningStack,
) -> None:
    wait_until_whole(stack)
    with receiving(status(404)) as receiver, told_of(stack, receiver.url):
        event_id = sign_up(stack)
        wait_until(
            "it is in the log",
            lambda: log_of(stack),
            lambda log: f'"{event_id}"' in log and "notification_failed" in log,
            seconds=60,
        )
        code, _, err = stack.outbox("status")
    assert (code, "notifications: signup: 1 in a row were not posted" in err) == (0, True)
    assert "127.0.0.1 answered 404" in err
    assert "/hook" not in log_of(stack)
