"""A seal finds whoever altered, removed or slipped in an entry, also with a superuser's rights."""

import uuid
from typing import Any

import psycopg
import pytest
from psycopg import errors

from operations.ledger import sealing
from operations.ledger.sealing import seal
from operations.ledger.verification import Head, verify
from tests.integration.database_rows import insert_entry, pay

TABLES = (
    "mentor_payable_ledgers",
    "ledger_entry_sessions",
    "ledger_seals",
    "sealed_ledger_entries",
)
COPY = (
    "INSERT INTO mentor_payable_ledgers SELECT gen_random_uuid(), kind, mentor_id, contract_id, "
    "student_id, 'session-9', service_package_id, amount_minor, currency, price_effective_from, "
    "occurred_at, source_event_id, reverses, {posted_at} FROM mentor_payable_ledgers "
    "WHERE session_id = 'session-1'"
)


def billed(connection: psycopg.Connection, session_id: str) -> uuid.UUID:
    entry = insert_entry(connection, session_id=session_id)
    pay(connection, entry, session_id)
    return entry


def findings(connection: psycopg.Connection, head: Head | None = None) -> list[tuple[Any, ...]]:
    found = verify(connection, head)
    assert found.intact is (not found.findings)
    return [(each["finding"], each["seal"], each.get("entry_id")) for each in found.findings]


@pytest.fixture
def entries(admin: psycopg.Connection) -> list[uuid.UUID]:
    """Two seals over two entries each, one entry not sealed yet; the connection owns no guard."""
    made = [billed(admin, "session-1"), billed(admin, "session-2")]
    seal(admin)
    made += [billed(admin, "session-3"), billed(admin, "session-4")]
    seal(admin)
    return [*made, billed(admin, "session-5")]


def tamper(admin: psycopg.Connection, *statements: str) -> None:
    """What a superuser can do: switch every trigger off, change, and switch them on again."""
    for table in TABLES:
        admin.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
    for statement in statements:
        assert admin.execute(statement).rowcount != 0
    for table in TABLES:
        admin.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL")


@pytest.mark.usefixtures("entries")
def test_an_untouched_ledger_fits_its_seals_and_says_its_head(admin: psycopg.Connection) -> None:
    found = verify(admin)
    assert (found.intact, found.seals, found.sealed, found.unsealed) == (True, 2, 4, 1)
    made = seal(admin)
    assert (made.number, made.entries) == (3, 1)
    assert verify(admin).head == made.head
    assert verify(admin, Head(made.number, made.hash)).intact


@pytest.mark.parametrize(
    "column",
    [
        "amount_minor = amount_minor + 1",
        "mentor_id = 'mentor-2'",
        "contract_id = 'contract-2'",
        "student_id = 'student-2'",
        "session_id = 'session-7'",
        "kind = 'correction'",
        "currency = 'EUR'",
        "price_effective_from = price_effective_from + interval '1 microsecond'",
        "occurred_at = occurred_at + interval '1 microsecond'",
        "posted_at = posted_at + interval '1 microsecond'",
        "source_event_id = gen_random_uuid()",
    ],
)
def test_an_entry_that_was_altered_in_any_column_is_named(
    admin: psycopg.Connection, entries: list[uuid.UUID], column: str
) -> None:
    tamper(admin, f"UPDATE mentor_payable_ledgers SET {column} WHERE id = '{entries[2]}'")
    assert findings(admin) == [("entry_altered", 2, entries[2])]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger_entry_sessions SET session_id = 'session-7' WHERE entry_id = '{}'",
        "DELETE FROM ledger_entry_sessions WHERE entry_id = '{}'",
        "INSERT INTO ledger_entry_sessions VALUES ('{}', 'session-7', 0)",
    ],
)
def test_an_entry_whose_sessions_were_changed_is_named(
    admin: psycopg.Connection, entries: list[uuid.UUID], change: str
) -> None:
    tamper(admin, change.format(entries[0]))
    assert findings(admin) == [("entry_altered", 1, entries[0])]


def test_an_entry_that_was_removed_is_named(
    admin: psycopg.Connection, entries: list[uuid.UUID]
) -> None:
    tamper(
        admin,
        f"DELETE FROM ledger_entry_sessions WHERE entry_id = '{entries[1]}'",
        f"DELETE FROM mentor_payable_ledgers WHERE id = '{entries[1]}'",
    )
    assert findings(admin) == [("entry_removed", 1, entries[1])]


def test_what_pays_sessions_and_is_no_entry_is_named(
    admin: psycopg.Connection, entries: list[uuid.UUID]
) -> None:
    unsealed = entries[4]
    tamper(admin, f"DELETE FROM mentor_payable_ledgers WHERE id = '{unsealed}'")
    assert findings(admin) == [("sessions_without_entry", None, unsealed)]


@pytest.mark.usefixtures("entries")
@pytest.mark.parametrize(
    ("posted_at", "below"), [("posted_at", 1), ("(SELECT max(posted_until) FROM ledger_seals)", 2)]
)
def test_an_entry_that_was_slipped_in_below_a_seal_is_named_and_stays_so(
    admin: psycopg.Connection, posted_at: str, below: int
) -> None:
    tamper(admin, COPY.format(posted_at=posted_at))
    ((finding, number, entry),) = findings(admin)
    assert (finding, number) == ("entry_slipped_in", below)
    seal(admin)
    assert findings(admin) == [(finding, number, entry)], "no later seal takes it in"


@pytest.mark.usefixtures("entries")
@pytest.mark.parametrize(
    "column",
    [
        "posted_until = posted_until + interval '1 microsecond'",
        "sealed_at = sealed_at - interval '1 day'",
        "entries = entries + 1",
        "entries_hash = previous_hash",
        "previous_hash = entries_hash",
        "hash = entries_hash",
    ],
)
def test_a_seal_that_was_altered_is_named(admin: psycopg.Connection, column: str) -> None:
    tamper(admin, f"UPDATE ledger_seals SET {column} WHERE number = 2")
    assert ("seal_altered", 2, None) in findings(admin)


@pytest.mark.usefixtures("entries")
@pytest.mark.parametrize("number", [1, 2])
def test_a_seal_that_was_removed_is_named(admin: psycopg.Connection, number: int) -> None:
    tamper(admin, f"DELETE FROM ledger_seals WHERE number = {number}")
    assert ("seal_removed", number, None) in findings(admin)


def test_an_entry_altered_together_with_its_digest_shows_in_the_seal(
    admin: psycopg.Connection, entries: list[uuid.UUID]
) -> None:
    tamper(
        admin,
        f"UPDATE mentor_payable_ledgers SET amount_minor = 1 WHERE id = '{entries[0]}'",
        sealing.DIGEST
        + "UPDATE sealed_ledger_entries SET digest = digested.digest FROM digested "
        + f"WHERE id = entry_id AND id = '{entries[0]}'",
    )
    assert findings(admin) == [("list_altered", 1, None)]


def test_an_entry_removed_together_with_its_line_in_the_list_shows_in_the_seal(
    admin: psycopg.Connection, entries: list[uuid.UUID]
) -> None:
    tamper(
        admin,
        f"DELETE FROM ledger_entry_sessions WHERE entry_id = '{entries[0]}'",
        f"DELETE FROM mentor_payable_ledgers WHERE id = '{entries[0]}'",
        f"DELETE FROM sealed_ledger_entries WHERE entry_id = '{entries[0]}'",
    )
    assert findings(admin) == [("list_altered", 1, None)]


def test_a_chain_made_anew_from_some_seal_on_shows_only_against_a_head_kept_elsewhere(
    admin: psycopg.Connection, entries: list[uuid.UUID]
) -> None:
    number, _, kept = (verify(admin).head or "").partition(":")
    tamper(
        admin,
        "DELETE FROM sealed_ledger_entries WHERE seal = 2",
        "DELETE FROM ledger_seals WHERE number = 2",
        f"UPDATE mentor_payable_ledgers SET amount_minor = 1 WHERE id = '{entries[3]}'",
    )
    seal(admin)
    assert findings(admin) == []
    assert findings(admin, Head(int(number), kept)) == [("head_differs", 2, None)]


def test_a_seal_made_anew_does_not_fit_the_one_after(
    admin: psycopg.Connection, entries: list[uuid.UUID]
) -> None:
    tamper(
        admin,
        "DELETE FROM sealed_ledger_entries",
        "CREATE TABLE kept AS SELECT * FROM ledger_seals WHERE number = 2",
        "DELETE FROM ledger_seals",
        f"UPDATE mentor_payable_ledgers SET amount_minor = 1 WHERE id = '{entries[0]}'",
    )
    seal(admin)
    tamper(admin, "INSERT INTO ledger_seals SELECT * FROM kept")
    assert ("chain_broken", 2, None) in findings(admin)


def test_a_ledger_that_was_never_sealed_proves_nothing(admin: psycopg.Connection) -> None:
    assert verify(admin).intact, "there is nothing to tamper with"
    billed(admin, "session-1")
    assert not verify(admin).intact


@pytest.mark.parametrize("table", ["ledger_seals", "sealed_ledger_entries"])
@pytest.mark.parametrize("change", ["UPDATE {} SET {}", "DELETE FROM {}", "TRUNCATE {}"])
def test_seals_are_append_only_for_everyone(
    scratch: psycopg.Connection, table: str, change: str
) -> None:
    column = "entries = 0" if table == "ledger_seals" else "seal = 1"
    with pytest.raises(errors.RestrictViolation, match="a seal is never changed"):
        scratch.execute(change.format(table, column))
