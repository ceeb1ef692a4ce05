import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import errors

from tests.integration.database_rows import NOON, insert_entry, pay, reverse
from tests.postgres_server import PostgresServer

TABLES = ["mentor_payable_ledgers", "ledger_entry_sessions", "mentor_prices"]
SETTING = {
    "mentor_payable_ledgers": "amount_minor = amount_minor",
    "ledger_entry_sessions": "session_id = session_id",
    "mentor_prices": "amount_minor = amount_minor",
}
PACKAGE = {"kind": "package", "session_id": None, "service_package_id": "package-1"}


def _price(connection: psycopg.Connection, **changes: Any) -> None:
    values = {
        "mentor": "mentor-1",
        "code": "standard",
        "amount": 10_000,
        "currency": "USD",
        "since": NOON,
        **changes,
    }
    connection.execute(
        "INSERT INTO mentor_prices (mentor_id, price_code, amount_minor, currency, effective_from)"
        " VALUES (%(mentor)s, %(code)s, %(amount)s, %(currency)s, %(since)s)",
        values,
    )


@pytest.mark.parametrize("replication_role", ["origin", "replica"])
@pytest.mark.parametrize("operation", ["UPDATE", "DELETE", "TRUNCATE"])
@pytest.mark.parametrize("table", TABLES)
def test_what_was_posted_cannot_be_changed_even_by_a_superuser(
    scratch: psycopg.Connection, table: str, operation: str, replication_role: str
) -> None:
    pay(scratch, insert_entry(scratch), "session-1")
    _price(scratch)
    scratch.execute(f"SET session_replication_role = {replication_role}")
    statement = {
        "UPDATE": f"UPDATE {table} SET {SETTING[table]}",
        "DELETE": f"DELETE FROM {table}",
        "TRUNCATE": f"TRUNCATE {table} CASCADE",
    }[operation]
    with pytest.raises(errors.RestrictViolation), scratch.transaction():
        scratch.execute(statement)
    assert scratch.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,)


def test_the_refusal_says_what_to_do_instead(scratch: psycopg.Connection) -> None:
    insert_entry(scratch)
    with pytest.raises(
        errors.RestrictViolation, match="the ledger is immutable: correct it with a reversal"
    ):
        scratch.execute("UPDATE mentor_payable_ledgers SET amount_minor = 1")


def test_the_row_trigger_alone_refuses_a_change_too(admin: psycopg.Connection) -> None:
    # What changes rows without a statement of its own (logical replication) meets only this one.
    insert_entry(admin)
    admin.execute("ALTER TABLE mentor_payable_ledgers DISABLE TRIGGER refuse_statement")
    for statement in (
        "UPDATE mentor_payable_ledgers SET amount_minor = 1",
        "DELETE FROM mentor_payable_ledgers",
    ):
        with pytest.raises(errors.RestrictViolation):
            admin.execute(statement)


def test_an_entry_that_arrives_again_is_a_no_op(ledger_writer: psycopg.Connection) -> None:
    entry = insert_entry(ledger_writer)
    done = ledger_writer.execute(
        "INSERT INTO mentor_payable_ledgers SELECT * FROM mentor_payable_ledgers "
        "ON CONFLICT (id) DO NOTHING"
    )
    assert done.rowcount == 0
    assert ledger_writer.execute("SELECT id FROM mentor_payable_ledgers").fetchall() == [(entry,)]


def test_posted_at_is_the_databases_whatever_the_client_says(
    ledger_writer: psycopg.Connection,
) -> None:
    insert_entry(ledger_writer, posted_at="2000-01-01T00:00:00Z")
    row = ledger_writer.execute("SELECT posted_at FROM mentor_payable_ledgers").fetchone()
    assert row is not None
    assert abs(datetime.now(UTC) - row[0]) < timedelta(seconds=30)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "gift"},
        {"session_id": None},
        {"service_package_id": "package-1"},
        {"kind": "package"},
        {"kind": "session", "session_id": None, "service_package_id": "package-1"},
        {"amount_minor": 0},
        {"amount_minor": -10_000},
        {"currency": "usd"},
        {"currency": "US"},
        {"kind": "reversal", "amount_minor": -10_000},
    ],
    ids=lambda changes: ",".join(f"{name}={value}" for name, value in changes.items()),
)
def test_an_entry_that_makes_no_sense_is_refused(
    scratch: psycopg.Connection, changes: dict[str, Any]
) -> None:
    with pytest.raises(errors.CheckViolation):
        insert_entry(scratch, **changes)


def test_only_a_reversal_names_what_it_reverses(scratch: psycopg.Connection) -> None:
    entry = insert_entry(scratch)
    with pytest.raises(errors.CheckViolation, match="reverses_by_kind"):
        insert_entry(scratch, reverses=entry)


@pytest.mark.parametrize("subject", [{}, PACKAGE])
def test_an_entry_is_reversed_once(scratch: psycopg.Connection, subject: dict[str, Any]) -> None:
    entry = insert_entry(scratch, **subject)
    reverse(scratch, entry, **subject)
    with pytest.raises(errors.UniqueViolation, match="reversed_once"), scratch.transaction():
        reverse(scratch, entry, **subject)
    net = scratch.execute("SELECT sum(amount_minor) FROM mentor_payable_ledgers").fetchone()
    assert net == (0,)


def test_a_reversal_is_not_reversed(scratch: psycopg.Connection) -> None:
    reversal = reverse(scratch, insert_entry(scratch))
    with pytest.raises(errors.CheckViolation, match="it is a reversal itself"):
        reverse(scratch, reversal)


def test_what_does_not_exist_is_not_reversed(scratch: psycopg.Connection) -> None:
    with pytest.raises(errors.ForeignKeyViolation, match="there is no such entry"):
        reverse(scratch, uuid.uuid4())


@pytest.mark.parametrize(
    "changes",
    [
        {"mentor_id": "mentor-2"},
        {"contract_id": "contract-2"},
        {"student_id": "student-2"},
        {"session_id": "session-2"},
        {"session_id": None, "service_package_id": "package-1"},
        {"currency": "EUR"},
        {"amount_minor": 9_999},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_reversal_that_differs_from_its_entry_is_refused(
    scratch: psycopg.Connection, changes: dict[str, Any]
) -> None:
    entry = insert_entry(scratch)
    with pytest.raises(errors.CheckViolation, match="differs from it"):
        reverse(scratch, entry, **changes)


def test_a_correction_follows_the_reversal_of_what_it_replaces(
    ledger_writer: psycopg.Connection,
) -> None:
    entry = insert_entry(ledger_writer)
    with pytest.raises(errors.CheckViolation, match="corrects nothing"):
        insert_entry(ledger_writer, kind="correction", amount_minor=12_000)
    with ledger_writer.transaction():
        reverse(ledger_writer, entry)
        insert_entry(ledger_writer, kind="correction", amount_minor=12_000)
    net = ledger_writer.execute("SELECT sum(amount_minor) FROM mentor_payable_ledgers").fetchone()
    assert net == (12_000,)


def test_a_session_is_paid_by_one_entry_only(ledger_writer: psycopg.Connection) -> None:
    single = insert_entry(ledger_writer)
    package = insert_entry(ledger_writer, **PACKAGE)
    assert pay(ledger_writer, single, "session-1") == 0
    with pytest.raises(errors.UniqueViolation, match=f"already paid by ledger entry {single}"):
        pay(ledger_writer, package, "session-1")


def test_a_session_named_twice_by_one_statement_is_refused(
    ledger_writer: psycopg.Connection,
) -> None:
    entry = insert_entry(ledger_writer)
    with pytest.raises(errors.UniqueViolation, match="already paid"):
        ledger_writer.execute(
            "INSERT INTO ledger_entry_sessions (entry_id, session_id) "
            "SELECT %s, 'session-1' FROM generate_series(1, 2)",
            [entry],
        )


def test_a_session_whose_entries_are_all_reversed_can_be_paid_again(
    ledger_writer: psycopg.Connection,
) -> None:
    entry = insert_entry(ledger_writer)
    assert pay(ledger_writer, entry, "session-1") == 0
    for revision in (1, 2):
        with ledger_writer.transaction():
            reverse(ledger_writer, entry)
            entry = insert_entry(ledger_writer, kind="correction")
            assert pay(ledger_writer, entry, "session-1") == revision


def test_a_revision_chosen_by_the_client_is_not_taken(ledger_writer: psycopg.Connection) -> None:
    entry = insert_entry(ledger_writer)
    row = ledger_writer.execute(
        "INSERT INTO ledger_entry_sessions (entry_id, session_id, revision) "
        "VALUES (%s, 'session-1', 7) RETURNING revision",
        [entry],
    ).fetchone()
    assert row == (0,)


def test_neither_a_reversal_nor_nothing_pays_a_session(ledger_writer: psycopg.Connection) -> None:
    reversal = reverse(ledger_writer, insert_entry(ledger_writer))
    for entry in (reversal, uuid.uuid4()):
        with pytest.raises(errors.ForeignKeyViolation, match="cannot be paid"):
            pay(ledger_writer, entry, "session-1")


def test_of_two_transactions_that_pay_one_session_at_once_one_fails(
    postgres_server: PostgresServer, database: str, ledger_writer: psycopg.Connection
) -> None:
    url = postgres_server.url("outbox_ledger_writer", database)
    with psycopg.connect(url) as first, psycopg.connect(url) as second:
        pay(first, insert_entry(first), "session-1")
        other = insert_entry(second, **PACKAGE)
        second.execute("SET LOCAL lock_timeout = '200ms'")
        # It sees no entry of the first, and so meets its key.
        with pytest.raises(errors.LockNotAvailable):
            pay(second, other, "session-1")
        second.rollback()
        first.commit()
        with pytest.raises(errors.UniqueViolation):
            pay(second, insert_entry(second, **PACKAGE), "session-1")
    paid = ledger_writer.execute("SELECT count(*) FROM ledger_entry_sessions").fetchone()
    assert paid == (1,)


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 0},
        {"amount": -1},
        {"currency": "usd"},
        {"currency": "$"},
        {"mentor": ""},
        {"code": ""},
        {"since": "infinity"},
        {"since": "-infinity"},
        {"since": "0044-03-15 00:00:00+00 BC"},
    ],
    ids=lambda changes: "=".join(map(str, next(iter(changes.items())))),
)
def test_a_price_that_makes_no_sense_is_refused(
    scratch: psycopg.Connection, changes: dict[str, Any]
) -> None:
    with pytest.raises(errors.CheckViolation):
        _price(scratch, **changes)


def test_a_price_is_given_once_for_one_time(scratch: psycopg.Connection) -> None:
    _price(scratch)
    _price(scratch, since="2026-04-01T00:00:00Z")
    with pytest.raises(errors.UniqueViolation):
        _price(scratch, amount=20_000)
