"""What the database does otherwise before PostgreSQL 18, on a PostgreSQL 16."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from infra.postgres.migrate import OWNER, SLOT, apply_migrations, bootstrap, ensure_slot
from tests.integration.database_rows import COMPLETED, column, complete, completed_payload, deliver
from tests.postgres_server import PostgresServer, running_older_postgres

DATABASE = "outbox"


@pytest.fixture(scope="module")
def older_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with running_older_postgres(tmp_path_factory.mktemp("older-server")) as server:
        bootstrap(server.admin_url, server.passwords, DATABASE)
        apply_migrations(server.url(OWNER, DATABASE))
        yield server


@pytest.fixture
def application(older_server: PostgresServer) -> Iterator[psycopg.Connection]:
    with psycopg.connect(older_server.url("outbox_application", DATABASE)) as connection:
        yield connection
        connection.rollback()


def test_it_has_no_uuidv7_of_its_own(application: psycopg.Connection) -> None:
    assert application.info.server_version // 10_000 < 18
    with pytest.raises(psycopg.errors.UndefinedFunction):
        application.execute("SELECT uuidv7()")


def test_ids_are_version_7_unique_and_ascend_within_a_millisecond(
    application: psycopg.Connection,
) -> None:
    rows = application.execute(
        "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload) "
        "SELECT 'session', 'session-1', %s, %s FROM generate_series(1, 2000) RETURNING id",
        [COMPLETED, psycopg.types.json.Jsonb(completed_payload("session-1"))],
    ).fetchall()
    ids = [row[0] for row in rows]
    assert ids == sorted(set(ids))
    assert {(event_id.version, event_id.variant) for event_id in ids} == {
        (7, "specified in RFC 4122")
    }
    milliseconds = {event_id.int >> 80 for event_id in ids}
    assert len(milliseconds) < len(ids) / 2


def test_the_time_in_an_id_is_the_time_of_the_insert(application: psycopg.Connection) -> None:
    before = time.time()
    event = complete(application, "session-1")
    in_the_id = datetime.fromtimestamp((event.id.int >> 80) / 1000, UTC)
    assert before - 1 < in_the_id.timestamp() < time.time() + 1
    assert abs((event.created_at - in_the_id).total_seconds()) < 0.1


def test_the_fraction_of_a_millisecond_is_where_postgresql_18_puts_it(
    application: psycopg.Connection,
) -> None:
    rows = application.execute("SELECT domain_event_id() FROM generate_series(1, 5000)").fetchall()
    fractions = [(row[0].int >> 64) & 0xFFF for row in rows]
    # Spread over the whole range of 12 bits, not over the 1000 microseconds of a millisecond.
    assert max(fractions) > 3000
    assert len(set(fractions)) > 500


def test_an_event_is_shown_with_its_status_and_its_bill(older_server: PostgresServer) -> None:
    with psycopg.connect(older_server.url(OWNER, DATABASE)) as owner:
        event = complete(owner, "session-1")
        deliver(owner, event)
        assert column(owner, "(status, billing)", event) == ("published", "due")
        owner.rollback()


def test_the_slot_is_made_without_failover(older_server: PostgresServer) -> None:
    assert ensure_slot(older_server.admin_url, DATABASE) is True
    assert ensure_slot(older_server.admin_url, DATABASE) is False
    with psycopg.connect(older_server.admin_url_of(DATABASE)) as admin:
        plugin = admin.execute(
            "SELECT plugin FROM pg_replication_slots WHERE slot_name = %s", [SLOT]
        ).fetchone()
    assert plugin == ("pgoutput",)
