"""The whole stack, and a corner of its books for each test."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.end_to_end.books import Books
from tests.running_stack import RunningStack


@pytest.fixture
def books(stack: RunningStack) -> Iterator[Books]:
    """This test's own mentor, priced, on the real stack."""
    with (
        psycopg.connect(stack.address("database_url"), autocommit=True) as owner,
        psycopg.connect(stack.address("app_database_url"), autocommit=True) as application,
    ):
        books = Books(stack, owner, application)
        books.set_prices()
        yield books
