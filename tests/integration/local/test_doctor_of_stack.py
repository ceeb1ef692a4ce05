"""The doctor on the whole stack: what is down is named, the rest looked at, `outbox up` mends."""

import json
import time

import httpx
import pytest

from tests.integration.local.test_running_stack import wait_until_whole
from tests.running_stack import RunningStack

pytestmark = pytest.mark.timeout(300)

SYSTEM = (
    *("broker", "processes", "server", "migrations", "rights", "guards", "partitions"),
    *("publication", "slot", "kept WAL", "failover", "connect", "connector"),
    *("topics", "copies", "readers", "positions"),
)
PATIENCE_SECONDS = 90

Lines = dict[str, list[dict[str, str]]]


def examined(stack: RunningStack) -> tuple[int, Lines]:
    code, out, _ = stack.outbox("doctor", "--output", "json")
    found: Lines = {}
    for line in json.loads(out):
        found.setdefault(line["check"], []).append(line)
    return code, found


def test_a_stack_that_is_well_has_no_fault(stack: RunningStack) -> None:
    wait_until_whole(stack)
    _, found = examined(stack)
    # What other tests have left in the books is none of this test's.
    ill = [line for check in SYSTEM for line in found[check] if line["level"] == "fault"]
    assert ill == []


def test_without_postgresql_the_rest_is_looked_at_and_up_mends(stack: RunningStack) -> None:
    wait_until_whole(stack)
    stack.stop("postgres")
    code, found = examined(stack)
    (line,) = found["postgres"]
    assert code == 1
    assert line["level"] == "fault"
    assert "receipts" in line["finding"], "what was not looked at is said"
    assert "postgres is stopped" in {line["finding"] for line in found["processes"]}
    assert found["topics"][0]["level"] == "ok"
    assert found["connect"][0]["level"] == "ok"
    assert stack.outbox("up")[0] == 0
    wait_until_whole(stack)
    assert "postgres" not in examined(stack)[1]


def test_with_postgresql_and_kafka_away_the_exit_code_is_3_and_up_mends(
    stack: RunningStack,
) -> None:
    wait_until_whole(stack)
    stack.stop("postgres", "kafka")
    code, found = examined(stack)
    assert code == 3
    assert found["kafka"][0]["level"] == found["postgres"][0]["level"] == "fault"
    assert "topics" in found["kafka"][0]["finding"]
    assert stack.outbox("up")[0] == 0
    wait_until_whole(stack)


def test_a_ledger_writer_that_does_not_run_is_told_as_nobody_who_reads(
    stack: RunningStack,
) -> None:
    wait_until_whole(stack)
    stack.stop("ledger-writer")
    # A member with a name of its own is kept until its session has ended: it may be restarting.
    deadline = time.monotonic() + PATIENCE_SECONDS
    unread = ""
    while "nobody reads billing.payables" not in unread:
        assert time.monotonic() < deadline, unread
        code, found = examined(stack)
        unread = " ".join(line["finding"] for line in found["readers"])
    assert code == 1
    assert "the ledger writer is not running" in unread
    assert found["processes"][0]["remedy"] == "`outbox up`"
    assert stack.outbox("up")[0] == 0
    wait_until_whole(stack)
    assert examined(stack)[1]["readers"][0]["level"] == "ok"


def test_the_scheduler_reconciles_and_maintains_soon_after_its_start(stack: RunningStack) -> None:
    # What failed while another test had stopped a server waits for minutes otherwise.
    stack.stop("scheduler")
    assert stack.outbox("up")[0] == 0
    wait_until_whole(stack)
    url = stack.processes()["scheduler"].health_url
    assert url is not None
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        runs = httpx.get(url, timeout=10).json()["runs"]
        done = {name for name, run in runs.items() if run["outcome"] is not None}
        if done == {"reconcile", "reconcile-day", "reconcile-all", "maintain"}:
            return
        assert time.monotonic() < deadline, json.dumps(runs, indent=2)
        time.sleep(1)
