"""`outbox demo`, on a stack that is up and on one that it starts and stops itself."""

import json
from pathlib import Path

import pytest

from infra.local.layout import Layout
from infra.local.stack import take_down
from infra.local.sweep import running_processes
from tests.end_to_end.books import Books
from tests.running_stack import run_outbox, session_layout


@pytest.mark.timeout(300)
def test_the_demo_ends_with_a_ledger_that_equals_the_expectation_of_its_workload(
    books: Books,
) -> None:
    code, out, err = books.stack.outbox("demo", "--seed", "7", "--rate", "100", timeout=240)
    assert code == 0, f"{out}\n{err}"
    assert "row in the ledger" in out
    assert "Bills by mentor" in out
    assert books.stack.processes()["worker-1"].healthy, "a stack that was up stays up"


@pytest.mark.timeout(300)
def test_the_demo_runs_on_a_stack_of_its_own_and_leaves_nothing_running() -> None:
    session = session_layout()
    layout = Layout(Path(f"{session.home}-demo"), session.port_base + 300)
    take_down(layout, purge=True)
    try:
        arguments = ("demo", "--rate", "200", "--output", "json")
        code, out, err = run_outbox(layout, *arguments, timeout=240)
        assert code == 0, f"{out}\n{err}"
        assert running_processes(layout) == {}
        shown = json.loads(out)
        assert shown["comparison"][0]["differences"] == len(shown["faults"]) == 0
        billed = sum(bill["sessions"] + bill["packages"] for bill in shown["bills"])
        assert billed == shown["comparison"][0]["bills_in_the_ledger"] > 0
        assert shown["at_once"][-1]["stage"] == "row in the ledger"
        assert shown["memory_mib"] > 100
        assert shown["reconciliation"]["verdict"] == "clean"
    finally:
        take_down(layout, purge=True)
