"""The whole stack, and a corner of its books for each test."""

from collections.abc import Iterator

import pytest

from tests.end_to_end.books import Books, opened_books
from tests.running_stack import RunningStack


@pytest.fixture
def books(stack: RunningStack) -> Iterator[Books]:
    """This test's own mentor, priced, on the real stack."""
    with opened_books(stack) as books:
        yield books
