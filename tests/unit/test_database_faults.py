"""Which fault of the database is an outage, which one a record's, and which one neither."""

from types import SimpleNamespace
from typing import cast

import psycopg
import pytest
from psycopg.errors import lookup

from stream_processors.ledger.database import is_outage
from stream_processors.ledger.isolation import reason_of

UP = cast("psycopg.Connection", SimpleNamespace(closed=False, broken=False))
BROKEN = cast("psycopg.Connection", SimpleNamespace(closed=False, broken=True))
CLOSED = cast("psycopg.Connection", SimpleNamespace(closed=True, broken=False))


@pytest.mark.parametrize("sqlstate", ["08006", "08003", "57P01", "57P02", "57P03", "53300"])
def test_a_server_that_goes_or_refuses_connections_is_an_outage(sqlstate: str) -> None:
    assert is_outage(lookup(sqlstate)(), UP)


@pytest.mark.parametrize("error", [psycopg.OperationalError(), psycopg.InterfaceError()])
def test_a_connection_that_broke_without_a_word_is_an_outage(error: psycopg.Error) -> None:
    assert is_outage(error, UP)


@pytest.mark.parametrize("connection", [None, BROKEN, CLOSED])
def test_whatever_was_said_last_a_broken_connection_is_an_outage(
    connection: psycopg.Connection | None,
) -> None:
    assert is_outage(lookup("22001")(), connection)


@pytest.mark.parametrize(
    "error",
    [
        psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"),
        psycopg.ProgrammingError("cannot adapt type"),
        lookup("57014")(),
        lookup("53100")(),
        lookup("42501")(),
        lookup("23505")(),
    ],
)
def test_a_statement_that_is_refused_is_no_outage(error: psycopg.Error) -> None:
    """Else the writer would wait for ever, with the record at the head of its partition."""
    assert not is_outage(error, UP)


@pytest.mark.parametrize(
    ("sqlstate", "reason"),
    [
        ("23505", "ledger_conflict"),
        ("22P02", "unprocessable"),
        ("22021", "unprocessable"),
        ("23514", "unprocessable"),
        ("54000", "unprocessable"),
        ("57014", "timeout"),
        ("55P03", "timeout"),
        ("40001", "timeout"),
        ("40P01", "timeout"),
        ("53100", "database_unavailable"),
        ("53200", "database_unavailable"),
        ("58030", "database_unavailable"),
        ("42501", None),
        ("42P01", None),
        ("25006", None),
    ],
)
def test_a_refusal_has_the_reason_that_its_sqlstate_says(sqlstate: str, reason: str | None) -> None:
    assert reason_of(lookup(sqlstate)()) == reason


def test_what_the_client_itself_cannot_send_is_unprocessable() -> None:
    assert reason_of(psycopg.DataError("cannot contain NUL")) == "unprocessable"
