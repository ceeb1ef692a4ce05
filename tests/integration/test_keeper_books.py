"""What the keeper reads in PostgreSQL's books, as the role that it has."""

from collections.abc import Iterator

import psycopg
import pytest

from operations.keeper import delivery
from operations.keeper.books import Books, Figures
from stream_processors.ledger.exceptions import REASONS
from tests.integration.ledger_writing import Writer, conflict, session_payable
from tests.postgres_server import PostgresServer


@pytest.fixture
def books(postgres_server: PostgresServer, database: str) -> Iterator[Books]:
    url = postgres_server.url("outbox_auditor", database)
    made = Books(lambda: delivery.connect(url))
    yield made
    if made._connection is not None:
        made._connection.close()


def look(books: Books) -> Figures:
    assert books.look() == {}
    assert books.figures is not None
    return books.figures


def test_each_reason_that_the_table_knows_is_told_also_where_there_is_none(
    books: Books, owner: psycopg.Connection
) -> None:
    figures = look(books)
    assert set(figures.exceptions.values()) == {0}
    row = owner.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conname = 'billing_exceptions_reason_check'"
    ).fetchone()
    assert row is not None
    assert all(f"'{reason}'" in row[0] for reason in REASONS)
    assert row[0].count("'::text") == len(REASONS)


def test_open_exceptions_count_by_reason_and_status_and_settled_ones_do_not(
    books: Books, writer: Writer, owner: psycopg.Connection
) -> None:
    writer.post(session_payable("session-1"), session_payable("session-2"))
    writer.report(conflict(), conflict(3))
    owner.execute("UPDATE billing_exceptions SET status = 'resolved' WHERE subject = 'session-2'")
    owner.execute(
        "UPDATE billing_exceptions SET first_failed_at = now() - interval '25 hours' "
        "WHERE reason = 'price_missing'"
    )
    figures = look(books)
    counted = {key: count for key, count in figures.exceptions.items() if count}
    assert counted == {("price_missing", "retrying"): 1, ("session_conflict", "failed"): 2}
    assert figures.overdue == 1


def test_a_row_without_a_partition_of_its_day_is_told(
    books: Books, owner: psycopg.Connection
) -> None:
    assert set(look(books).default_rows.values()) == {0}
    owner.execute(
        "INSERT INTO domain_event_deliveries (event_id, event_created_at, topic, partition, "
        "\"offset\") VALUES (domain_event_id(), now() - interval '10 years', 'events.user', 0, 0)"
    )
    assert look(books).default_rows == {
        "domain_events_default": 0,
        "domain_event_deliveries_default": 1,
    }


def test_a_slot_is_told_with_what_it_keeps_and_whether_it_is_read(
    books: Books, admin: psycopg.Connection
) -> None:
    admin.execute("SELECT pg_create_logical_replication_slot('books_test', 'pgoutput')")
    try:
        slot = look(books).slots["books_test"]
        assert slot.active is False
        assert slot.retained_bytes is not None
        assert slot.retained_bytes >= 0
    finally:
        admin.execute("SELECT pg_drop_replication_slot('books_test')")


def test_it_connects_again_after_the_server_ended_its_connection(
    books: Books, admin: psycopg.Connection
) -> None:
    look(books)
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'outbox_auditor'"
    )
    with pytest.raises(psycopg.OperationalError):
        books.look()
    look(books)
