"""`outbox up` with a webhook in its environment, and without."""

import json
import os
import signal

import pytest

from tests.integration.local.test_running_stack import wait_until_whole
from tests.running_stack import RunningStack
from tests.waiting import wait_until

URL = "OUTBOX_SIGNUP_WEBHOOK_URL"
NOWHERE = {URL: "http://127.0.0.1:9/hook"}


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
    code, _, err = stack.outbox("up", settings=NOWHERE)
    assert code == 0, err
    try:
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
    finally:
        code, _, err = stack.outbox("up")
        assert code == 0, err
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
