"""Maintenance beside traffic, beside another maintenance, and killed in the middle."""

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from infra.postgres.migrate import OWNER
from operations.maintain.archiving import BEFORE_ALL, archive, archive_batch
from operations.maintain.days import expired_days
from operations.maintain.dropping import detach
from operations.maintain.maintenance import maintain_database
from operations.maintain.report import Maintenance
from operations.maintain.settings import MaintainSettings
from tests.integration.database_rows import InsertedEvent, complete, completed_payload
from tests.integration.old_days import (
    OLD_DAYS,
    RETENTION_DAYS,
    is_table,
    maintained,
    noon,
    old_session,
    partition_name,
    recorded,
    tables,
    write_at,
)
from tests.integration.reconciled import insert_price, post, receive, reconciled
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.as_migrated

PATIENT_SECONDS = 60.0


@pytest.fixture
def other_owner(postgres_server: PostgresServer, database: str) -> psycopg.Connection:
    return psycopg.connect(postgres_server.url(OWNER, database), autocommit=True)


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def waits_for_a_lock(connection: psycopg.Connection) -> bool:
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'relation')"
    ).fetchone()
    return row == (True,)


def sessions(connection: psycopg.Connection, amount: int) -> list[InsertedEvent]:
    return [old_session(connection, f"s-{number}") for number in range(amount)]


def test_an_event_is_seen_once_at_every_step_and_a_run_goes_on_where_one_was_killed(
    owner: psycopg.Connection, other_owner: psycopg.Connection
) -> None:
    sessions(owner, 5)
    (day,) = expired_days(owner, RETENTION_DAYS)
    assert day.events is not None
    live = {f"s-{number}": False for number in range(5)}
    # Killed after the first batch.
    owner.execute("INSERT INTO archived_days (day) VALUES (%s)", [day.day])
    archive_batch(owner, day.events, day.since, day.until, BEFORE_ALL, 2)
    assert recorded(owner) == live
    # Killed before the drop.
    assert archive(owner, day.events, day.since, day.until, 2) == 3
    assert recorded(owner) == live
    with owner.transaction(force_rollback=True):
        assert detach(owner, day, 1000, 0) is not None
        assert recorded(owner) == dict.fromkeys(live, True)
    assert recorded(owner) == live
    # Killed between taking the day away and dropping its tables.
    detached = detach(owner, day, 1000, 0)
    assert detached is not None
    assert detached.events == 5
    assert recorded(owner) == dict.fromkeys(live, True)
    assert all(is_table(owner, name) for name in tables(OLD_DAYS))
    done = maintained(owner)
    assert (done.archived, done.dropped, done.fine) == (0, [], True)
    assert not any(is_table(owner, name) for name in tables(OLD_DAYS))
    assert recorded(other_owner) == dict.fromkeys(live, True)


def test_a_run_that_is_killed_while_it_copies_is_finished_by_the_next(
    owner: psycopg.Connection, admin: psycopg.Connection, other_owner: psycopg.Connection
) -> None:
    sessions(owner, 20)
    pid = other_owner.info.backend_pid
    # Stops it in the middle of its work: the archive cannot be written to.
    with admin.transaction():
        admin.execute("LOCK TABLE archived_events IN EXCLUSIVE MODE")
        with ThreadPoolExecutor() as pool:
            run = pool.submit(maintained, other_owner)
            eventually(lambda: waits_for_a_lock(admin))
            admin.execute("SELECT pg_terminate_backend(%s)", [pid])
            with pytest.raises(psycopg.OperationalError):
                run.result(PATIENT_SECONDS)
    assert set(recorded(owner).values()) == {False}
    assert [day.events for day in maintained(owner).dropped] == [20]
    assert set(recorded(owner).values()) == {True}


def test_a_detached_table_that_no_maintenance_took_away_is_left_alone(
    owner: psycopg.Connection,
) -> None:
    old_session(owner, "s", RETENTION_DAYS)
    name = partition_name("domain_events", RETENTION_DAYS)
    owner.execute(f"ALTER TABLE domain_events DETACH PARTITION {name}")
    maintained(owner)
    assert is_table(owner, name)
    # Nor if one had begun with the day.
    owner.execute("INSERT INTO archived_days (day) VALUES (%s)", [noon(RETENTION_DAYS).date()])
    maintained(owner)
    assert is_table(owner, name)


def test_two_maintenances_at_once_drop_a_day_once(
    postgres_server: PostgresServer, database: str, owner: psycopg.Connection
) -> None:
    sessions(owner, 50)

    def run() -> Maintenance:
        url = postgres_server.url(OWNER, database)
        with psycopg.connect(url, autocommit=True) as connection:
            return maintain_database(connection, MaintainSettings(batch_rows=3))

    with ThreadPoolExecutor() as pool:
        runs = [run.result(PATIENT_SECONDS) for run in [pool.submit(run) for _ in range(3)]]
    assert [day.events for done in runs for day in done.dropped] == [50]
    assert sum(done.archived for done in runs) == 50
    assert all(done.fine for done in runs)


def test_applications_go_on_while_a_long_transaction_keeps_a_day_from_being_dropped(
    owner: psycopg.Connection, application: psycopg.Connection, other_owner: psycopg.Connection
) -> None:
    old_session(owner, "old")
    with ThreadPoolExecutor() as pool, owner.transaction():
        complete(owner, "long")
        settings = MaintainSettings(lock_patience_seconds=PATIENT_SECONDS)
        run = pool.submit(maintain_database, other_owner, settings)
        eventually(lambda: waits_for_a_lock(owner))
        for number in range(5):
            complete(application, f"short-{number}")
        assert not run.done()
    assert [day.events for day in run.result(PATIENT_SECONDS).dropped] == [1]
    short = {f"short-{number}": False for number in range(5)}
    assert recorded(owner) == {"old": True, "long": False, **short}


def test_a_day_in_use_is_kept_with_the_name_of_who_uses_it(
    owner: psycopg.Connection, other_owner: psycopg.Connection
) -> None:
    old_session(owner, "old")
    with owner.transaction():
        complete(owner, "long")
        done = maintained(other_owner)
    assert [day.reason for day in done.kept] == ["in_use"]
    assert str(owner.info.backend_pid) in done.kept[0].message
    assert recorded(owner) == {"old": False, "long": False}
    assert maintained(owner).fine


def test_an_event_that_was_committed_late_is_archived_before_its_day_goes(
    owner: psycopg.Connection, other_owner: psycopg.Connection
) -> None:
    old_session(owner, "early")
    (day,) = expired_days(owner, RETENTION_DAYS)
    assert day.events is not None
    with ThreadPoolExecutor() as pool, owner.transaction():
        late = write_at(owner, noon(OLD_DAYS), completed_payload("late"))
        receive(owner, late)
        settings = MaintainSettings(lock_patience_seconds=PATIENT_SECONDS)
        run = pool.submit(maintain_database, other_owner, settings)
        # It has copied what it could see, and wants the day.
        eventually(lambda: waits_for_a_lock(owner))
        rows = archived_rows(owner)
        assert rows == 1
    assert [day.events for day in run.result(PATIENT_SECONDS).dropped] == [2]
    assert recorded(owner) == {"early": True, "late": True}


def archived_rows(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT count(*) FROM archived_events").fetchone()
    assert row is not None
    rows: int = row[0]
    return rows


def test_no_insert_fails_and_no_event_is_lost_while_days_are_dropped(
    postgres_server: PostgresServer, database: str, owner: psycopg.Connection
) -> None:
    for days_ago in range(OLD_DAYS, OLD_DAYS + 6):
        old_session(owner, f"old-{days_ago}", days_ago)
    stopping = threading.Event()

    def insert_on_and_on(writer: int) -> list[str]:
        url = postgres_server.url("outbox_application", database)
        written: list[str] = []
        with psycopg.connect(url, autocommit=True) as connection:
            while not stopping.is_set():
                session = f"{writer}-{uuid.uuid4()}"
                complete(connection, session)
                written.append(session)
        return written

    with ThreadPoolExecutor() as pool:
        writers = [pool.submit(insert_on_and_on, number) for number in range(4)]
        done = maintain_database(owner, MaintainSettings())
        stopping.set()
        written = [session for writer in writers for session in writer.result(PATIENT_SECONDS)]
    assert len(done.dropped) == 6
    assert written
    assert {session for session, archived in recorded(owner).items() if not archived} == set(
        written
    )


def test_a_reconciliation_that_begins_while_a_day_is_taken_away_sees_all_of_it(
    owner: psycopg.Connection, other_owner: psycopg.Connection
) -> None:
    insert_price(owner)
    event = old_session(owner, "session-1")
    post(owner, "session-1", source_event_id=event.id)
    (day,) = expired_days(owner, RETENTION_DAYS)
    assert day.events is not None
    owner.execute("INSERT INTO archived_days (day) VALUES (%s)", [day.day])
    archive(owner, day.events, day.since, day.until, 10)
    with ThreadPoolExecutor() as pool:
        with owner.transaction():
            assert detach(owner, day, 1000, 0) is not None
            found = pool.submit(reconciled, other_owner)
            eventually(lambda: waits_for_a_lock(owner))
        assert found.result(PATIENT_SECONDS).events == 1
        assert found.result().verdict == "clean"
