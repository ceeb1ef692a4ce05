"""Each process that is killed turns the overview red within 15 s, and green again after."""

import os
import signal

import psycopg
import pytest

from tests.running_stack import RunningStack
from tests.system.conftest import Browser, wait_until

RED_SECONDS, GREEN_SECONDS = 15.0, 60.0
NAMES = (
    "postgres",
    "kafka",
    "connect",
    "worker-1",
    "ledger-writer",
    "connector-keeper",
    "scheduler",
)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", NAMES)
def test_a_killed_process_turns_the_overview_red_and_green_again(
    browser: Browser, stack: RunningStack, owner: psycopg.Connection, name: str
) -> None:
    def is_red(row: str) -> bool:
        return browser.find(f'[data-process="{row}"]').get_attribute("data-health") == "bad"

    def verdict() -> str | None:
        return browser.find(".verdict").get_attribute("data-health")

    # What other tests left for a person to decide is red as well, and rightly.
    owner.execute(
        "UPDATE billing_exceptions SET status = 'dismissed', resolution = 'left by another test' "
        "WHERE status IN ('retrying', 'failed')"
    )
    browser.open("/")
    wait_until(lambda: verdict() == "good", "the stack is not well to begin with", GREEN_SECONDS)
    pid = stack.processes()[name].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    # Or it is back before anybody looks: what dies is started again at once.
    with stack.stopped(name):
        wait_until(lambda: is_red(name), f"{name} is down and not red", RED_SECONDS)
        wait_until(lambda: verdict() == "bad", "the whole is not red", RED_SECONDS)
        assert name in browser.find(".verdict").text
    wait_until(lambda: not is_red(name), f"{name} is back and still red", GREEN_SECONDS)
    wait_until(lambda: verdict() == "good", "the whole is still red", GREEN_SECONDS)
