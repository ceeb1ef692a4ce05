import threading
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import errors

from tests.integration.database_rows import complete, completed_payload
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.as_migrated

PARENTS = ("domain_events", "domain_event_deliveries")


def _partitions(connection: psycopg.Connection, parent: str) -> set[str]:
    rows = connection.execute(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [parent]
    ).fetchall()
    return {row[0] for row in rows}


def _day(ahead: int) -> str:
    return f"{datetime.now(UTC) + timedelta(days=ahead):%Y%m%d}"


def _insert_at(connection: psycopg.Connection, created_at: datetime) -> str:
    row = connection.execute(
        "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload, created_at) "
        "VALUES ('session', 's', 'services.session.completed', %s, %s) "
        "RETURNING tableoid::regclass::text",
        [psycopg.types.json.Jsonb(completed_payload("s")), created_at],
    ).fetchone()
    assert row is not None
    partition: str = row[0]
    return partition


@pytest.mark.parametrize("parent", PARENTS)
def test_a_new_database_has_partitions_for_today_and_14_days(
    owner: psycopg.Connection, parent: str
) -> None:
    expected = {f"{parent}_{_day(ahead)}" for ahead in range(15)}
    assert expected | {f"{parent}_default"} <= _partitions(owner, parent)


def test_partitions_are_made_once(owner: psycopg.Connection) -> None:
    made = owner.execute("SELECT create_partitions(20)").fetchone()
    again = owner.execute("SELECT create_partitions(20)").fetchone()
    assert made is not None
    # Twelve of twenty days are new when the session began before midnight UTC, at least ten.
    assert 2 * 6 >= made[0] >= 2 * 5
    assert again == (0,)


def test_two_calls_at_once_make_each_partition_once(
    postgres_server: PostgresServer, database: str
) -> None:
    made: list[int] = []

    def call() -> None:
        url = postgres_server.url("outbox_owner", database)
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT create_partitions(40)").fetchone()
            assert row is not None
            made.append(row[0])

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(made) == 4
    assert sorted(made)[:3] == [0, 0, 0]
    assert max(made) >= 2 * 25


def test_an_event_lies_in_the_partition_of_its_utc_day(owner: psycopg.Connection) -> None:
    owner.execute("SET timezone = 'Asia/Kolkata'")
    owner.execute("SELECT create_partitions(30)")
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight + timedelta(days=25)
    assert _insert_at(owner, first) == f"domain_events_{first:%Y%m%d}"
    last = first - timedelta(microseconds=1)
    assert _insert_at(owner, last) == f"domain_events_{last:%Y%m%d}"


def test_an_event_of_a_day_without_a_partition_is_kept(owner: psycopg.Connection) -> None:
    assert _insert_at(owner, datetime.now(UTC) + timedelta(days=60)) == "domain_events_default"


def test_a_day_with_rows_in_the_default_partition_stays_there_and_a_notice_says_so(
    owner: psycopg.Connection,
) -> None:
    notices: list[str] = []
    owner.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
    _insert_at(owner, datetime.now(UTC) + timedelta(days=20))
    owner.execute("SELECT create_partitions(22)")
    assert [text for text in notices if f"domain_events_{_day(20)} was" in text]
    partitions = _partitions(owner, "domain_events")
    assert f"domain_events_{_day(20)}" not in partitions
    assert {f"domain_events_{_day(19)}", f"domain_events_{_day(21)}"} <= partitions
    assert f"domain_event_deliveries_{_day(20)}" in _partitions(owner, "domain_event_deliveries")
    assert owner.execute("SELECT count(*) FROM domain_events").fetchone() == (1,)


def test_a_default_partition_in_use_delays_new_days_and_fails_nothing(
    owner: psycopg.Connection, admin: psycopg.Connection
) -> None:
    notices: list[str] = []
    owner.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
    with admin.transaction():
        admin.execute("SELECT count(*) FROM domain_events_default")
        owner.execute("SELECT create_partitions(16)")
    assert [text for text in notices if "in use" in text]
    assert f"domain_events_{_day(16)}" not in _partitions(owner, "domain_events")
    owner.execute("SELECT create_partitions(16)")
    assert f"domain_events_{_day(16)}" in _partitions(owner, "domain_events")


def test_an_insert_does_not_wait_for_whoever_a_new_day_waits_for(
    owner: psycopg.Connection, admin: psycopg.Connection, application: psycopg.Connection
) -> None:
    """Who reads everything reads for as long as it takes: a reconciliation, a dump."""
    application.execute("SET statement_timeout = '2s'")
    making = threading.Thread(target=owner.execute, args=["SELECT create_partitions(17)"])
    with admin.transaction():
        admin.execute("SELECT count(*) FROM domain_events")
        making.start()
        inserted = 0
        while making.is_alive():
            complete(application, f"session-{inserted}")
            inserted += 1
    making.join()
    assert inserted > 1
    assert f"domain_events_{_day(17)}" not in _partitions(owner, "domain_events")


@pytest.mark.parametrize("days", [None, -1])
def test_a_senseless_number_of_days_is_refused(owner: psycopg.Connection, days: int | None) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="days_ahead"):
        owner.execute("SELECT create_partitions(%s)", [days])


def test_a_day_is_removed_by_dropping_its_partition(owner: psycopg.Connection) -> None:
    complete(owner, "session-1")
    partition = owner.execute("SELECT tableoid::regclass::text FROM domain_events").fetchone()
    assert partition is not None
    owner.execute(f"DROP TABLE {partition[0]}")
    assert owner.execute("SELECT count(*) FROM domain_events").fetchone() == (0,)


def test_every_trigger_of_events_and_ledger_fires_always(owner: psycopg.Connection) -> None:
    rows = owner.execute(
        "SELECT tgrelid::regclass::text, tgname, tgenabled::text FROM pg_trigger "
        "WHERE NOT tgisinternal AND tgname NOT LIKE 'RI_%' "
        "AND tgrelid <> 'billing_exceptions'::regclass"
    ).fetchall()
    assert len(rows) > 60
    assert [row for row in rows if row[2] != "A"] == []
