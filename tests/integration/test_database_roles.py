"""Each role tries what it must not do."""

import psycopg
import pytest
from psycopg import errors

from infra.postgres.migrate import ROLES
from tests.integration.database_rows import (
    complete,
    deliver,
    insert_entry,
    insert_event,
    insert_exception,
    pay,
)
from tests.postgres_server import PostgresServer

INSERT_EVENT = (
    "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload) "
    "VALUES ('user', 'u', 'user.signup', "
    """'{"userId": "u", "signedUpAt": "2026-03-01T12:00:00Z"}')"""
)
WITH_CHOSEN = (
    "INSERT INTO domain_events ({0}, aggregate_type, aggregate_id, event_type, payload) "
    "VALUES ({1}, 'user', 'u', 'user.signup', "
    """'{{"userId": "u", "signedUpAt": "2026-03-01T12:00:00Z"}}')"""
)
INSERT_ENTRY = (
    "INSERT INTO mentor_payable_ledgers (id, kind, mentor_id, contract_id, student_id, session_id, "
    "amount_minor, currency, price_effective_from, occurred_at, source_event_id) VALUES "
    "(gen_random_uuid(), 'session', 'm', 'c', 's', 's', 1, 'USD', now(), now(), gen_random_uuid())"
)
INSERT_PRICE = "INSERT INTO mentor_prices VALUES ('m', 'standard', 1, 'USD', now())"
INSERT_RECEIPT = (
    "INSERT INTO domain_event_deliveries VALUES (gen_random_uuid(), now(), 'events.user', 0, 0)"
)
INSERT_EXCEPTION = (
    "INSERT INTO billing_exceptions (id, reason, status, subject) "
    "VALUES (gen_random_uuid(), 'timeout', 'failed', 's')"
)

FORBIDDEN = {
    "outbox_application": [
        "SELECT payload FROM domain_events",
        "SELECT event_type FROM domain_events",
        "SELECT * FROM domain_event_status",
        WITH_CHOSEN.format("id", "gen_random_uuid()"),
        WITH_CHOSEN.format("created_at", "now()"),
        "UPDATE domain_events SET payload = '{}'",
        "DELETE FROM domain_events",
        "TRUNCATE domain_events",
        "SELECT id FROM mentor_payable_ledgers",
        INSERT_ENTRY,
        "SELECT * FROM mentor_prices",
        INSERT_PRICE,
        "SELECT * FROM billing_exceptions",
        "SELECT * FROM domain_event_deliveries",
        INSERT_RECEIPT,
        "SELECT create_partitions(1)",
        "SELECT domain_event_billing(gen_random_uuid(), '', '', '{}')",
    ],
    "outbox_connector": [
        INSERT_EVENT,
        "UPDATE domain_events SET payload = '{}'",
        "DELETE FROM domain_events",
        "TRUNCATE domain_events",
        "SELECT * FROM domain_event_status",
        "SELECT * FROM domain_event_deliveries",
        "SELECT * FROM mentor_payable_ledgers",
        "SELECT * FROM mentor_prices",
        "SELECT * FROM billing_exceptions",
    ],
    "outbox_ledger_writer": [
        INSERT_EVENT,
        "SELECT payload FROM domain_events",
        "UPDATE mentor_payable_ledgers SET amount_minor = 1",
        "DELETE FROM mentor_payable_ledgers",
        "TRUNCATE mentor_payable_ledgers",
        "DELETE FROM ledger_entry_sessions",
        "SELECT hash FROM ledger_seals",
        "INSERT INTO sealed_ledger_entries VALUES (gen_random_uuid(), 1, '')",
        "SELECT * FROM operator_actions",
        INSERT_PRICE,
        "UPDATE mentor_prices SET amount_minor = 1",
        "DELETE FROM billing_exceptions",
        "UPDATE domain_event_deliveries SET topic = 'elsewhere'",
        "DELETE FROM domain_event_deliveries",
        "SELECT * FROM domain_event_status",
    ],
    "outbox_auditor": [
        INSERT_EVENT,
        INSERT_ENTRY,
        INSERT_PRICE,
        INSERT_RECEIPT,
        INSERT_EXCEPTION,
        "UPDATE billing_exceptions SET status = 'dismissed', resolution = 'x'",
        "DELETE FROM billing_exceptions",
        "UPDATE mentor_payable_ledgers SET amount_minor = 1",
        "DELETE FROM domain_event_deliveries",
        "TRUNCATE mentor_prices",
        "SELECT create_partitions(1)",
    ],
}
NOBODY_MAY = [
    "CREATE TABLE public.mine (number int)",
    "CREATE TEMPORARY TABLE mine (number int)",
    "CREATE SCHEMA mine",
    "ALTER TABLE domain_events DISABLE TRIGGER ALL",
    "SET session_replication_role = replica",
    "DROP TABLE mentor_payable_ledgers",
    "CREATE PUBLICATION mine FOR TABLE domain_events",
    "SELECT * FROM pg_authid",
    "SET ROLE outbox_owner",
]


@pytest.mark.parametrize(
    ("role", "statement"),
    [(role, statement) for role, statements in FORBIDDEN.items() for statement in statements]
    + [(role, statement) for role in FORBIDDEN for statement in NOBODY_MAY],
)
def test_a_role_may_not(
    postgres_server: PostgresServer, shared_database: str, role: str, statement: str
) -> None:
    url = postgres_server.url(role, shared_database)
    with (
        psycopg.connect(url) as connection,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


def test_an_application_inserts_and_learns_the_id_and_time(application: psycopg.Connection) -> None:
    event = complete(application, "session-1")
    rows = application.execute("SELECT id, created_at FROM domain_events").fetchall()
    assert rows == [(event.id, event.created_at)]


def test_the_connector_reads_events_and_may_stream_them(connector: psycopg.Connection) -> None:
    assert connector.execute("SELECT count(payload) FROM domain_events").fetchone() == (0,)
    # Its heartbeat, which moves the slot on while no event is written.
    connector.execute("SELECT pg_logical_emit_message(false, 'heartbeat', 'now')")
    replicates = connector.execute(
        "SELECT rolreplication FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    assert replicates == (True,)


def test_the_ledger_writer_posts_receipts_and_keeps_exceptions(
    owner: psycopg.Connection, ledger_writer: psycopg.Connection
) -> None:
    event = complete(owner, "session-1")
    deliver(ledger_writer, event)
    pay(ledger_writer, insert_entry(ledger_writer), "session-1")
    insert_exception(ledger_writer)
    ledger_writer.execute("UPDATE billing_exceptions SET attempts = attempts + 1")
    for table in (
        "mentor_prices",
        "mentor_payable_ledgers",
        "ledger_entry_sessions",
        "domain_event_deliveries",
        "billing_exceptions",
    ):
        ledger_writer.execute(f"SELECT * FROM {table}")
    ledger_writer.execute("SELECT create_partitions(15)")


def test_the_auditor_reads_everything(
    owner: psycopg.Connection, auditor: psycopg.Connection
) -> None:
    complete(owner, "session-1", servicePackageId="p", packageCode="c", packageTotalSessions=1)
    insert_event(
        owner,
        "user.signup",
        {"userId": "u", "signedUpAt": "2026-03-01T12:00:00Z"},
        aggregate_type="user",
        aggregate_id="u",
    )
    names = auditor.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    ).fetchall()
    assert len(names) > 8
    for (name,) in names:
        auditor.execute(f"SELECT * FROM {name}")


def test_a_table_of_a_later_migration_can_be_audited(
    owner: psycopg.Connection, auditor: psycopg.Connection
) -> None:
    owner.execute("CREATE TABLE later (number int)")
    assert auditor.execute("SELECT count(*) FROM later").fetchone() == (0,)


def test_a_function_of_a_later_migration_is_nobodys_but_its_owners(
    owner: psycopg.Connection, application: psycopg.Connection
) -> None:
    owner.execute("CREATE FUNCTION later() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    with pytest.raises(errors.InsufficientPrivilege):
        application.execute("SELECT later()")


def test_everyone_else_may_nothing(scratch: psycopg.Connection) -> None:
    granted = scratch.execute(
        "SELECT count(*) FROM information_schema.table_privileges "
        "WHERE grantee = 'PUBLIC' AND table_schema = 'public'"
    ).fetchone()
    executable = scratch.execute(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace "
        "AND (proacl IS NULL OR proacl::text ~ '[{,]=')"
    ).fetchall()
    database_rights = scratch.execute(
        "SELECT datacl::text ~ '[{,]=' FROM pg_database WHERE datname = current_database()"
    ).fetchone()
    assert (granted, executable, database_rights) == ((0,), [], (False,))


@pytest.mark.parametrize("role", ROLES)
def test_no_role_of_ours_has_a_right_over_the_server(
    scratch: psycopg.Connection, role: str
) -> None:
    row = scratch.execute(
        "SELECT rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolbypassrls, rolreplication "
        "FROM pg_roles WHERE rolname = %s",
        [role],
    ).fetchone()
    assert row == (True, False, False, False, False, role == "outbox_connector")


@pytest.mark.parametrize("role", ROLES)
def test_passwords_are_kept_as_scram_verifiers_and_asked_for(
    postgres_server: PostgresServer, scratch: psycopg.Connection, shared_database: str, role: str
) -> None:
    row = scratch.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [role]).fetchone()
    assert row is not None
    assert row[0].startswith("SCRAM-SHA-256$")
    url = psycopg.conninfo.make_conninfo(
        postgres_server.url(role, shared_database), password="guess"
    )
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url)
