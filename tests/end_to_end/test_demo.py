"""`outbox demo` against the stack that is up."""

import pytest

from tests.end_to_end.books import Books


@pytest.mark.timeout(300)
def test_the_demo_ends_with_a_ledger_that_equals_the_expectation_of_its_workload(
    books: Books,
) -> None:
    code, out, err = books.stack.outbox("demo", "--seed", "7", "--rate", "100", timeout=240)
    assert code == 0, f"{out}\n{err}"
    assert "row in the ledger" in out
    assert "Bills by mentor" in out
    assert books.stack.processes()["worker-1"].healthy, "a stack that was up stays up"
