"""No entry slips in below a seal by right, whoever posts while it is made."""

import threading
import time
import uuid
from datetime import timedelta

import psycopg
import pytest

from operations.failures import ProblemError
from operations.ledger import sealing
from operations.ledger.sealing import Seal, seal
from operations.ledger.verification import verify
from tests.integration.database_rows import insert_entry, pay
from tests.postgres_server import PostgresServer


def billed(connection: psycopg.Connection, session_id: str) -> uuid.UUID:
    entry = insert_entry(connection, session_id=session_id)
    pay(connection, entry, session_id)
    return entry


def test_an_entry_comes_after_every_seal_whatever_the_clock_does(
    admin: psycopg.Connection,
) -> None:
    billed(admin, "session-1")
    # As though the server's clock had been an hour ahead when it was sealed.
    hour = "clock_timestamp() + interval '1 hour'"
    ahead = sealing._SEAL.replace("clock_timestamp(),\n                (SELECT", f"{hour}, (SELECT")
    assert ahead != sealing._SEAL
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealing, "_SEAL", ahead)
        first = seal(admin)
    billed(admin, "session-2")
    assert verify(admin).intact
    second = seal(admin)
    assert second.posted_until > first.posted_until
    assert second.posted_until - first.posted_until < timedelta(minutes=30)
    assert second.entries == 1
    assert verify(admin).intact


def test_a_transaction_that_posted_before_the_seal_is_waited_for_and_sealed(
    admin: psycopg.Connection, ledger_writer: psycopg.Connection
) -> None:
    billed(admin, "session-1")
    made: list[Seal] = []
    sealer = threading.Thread(target=lambda: made.append(seal(admin)))
    with ledger_writer.transaction():
        entry = billed(ledger_writer, "session-2")
        sealer.start()
        _wait_for_lock(ledger_writer)
        assert made == []
    sealer.join()
    assert made[0].entries == 2
    listed = admin.execute("SELECT seal FROM sealed_ledger_entries WHERE entry_id = %s", [entry])
    assert listed.fetchone() == (1,)
    assert verify(admin).intact


def test_who_posts_while_it_is_sealed_comes_after_the_seal(
    owner: psycopg.Connection, postgres_server: PostgresServer, database: str
) -> None:
    stop = threading.Event()
    posted: list[str] = []

    def post(name: str) -> None:
        url = postgres_server.url("outbox_ledger_writer", database)
        with psycopg.connect(url, autocommit=True) as connection:
            number = 0
            while not stop.is_set():
                with connection.transaction():
                    billed(connection, f"{name}-{number}")
                number += 1
                posted.append(name)

    writers = [threading.Thread(target=post, args=[f"writer-{number}"]) for number in range(3)]
    for writer in writers:
        writer.start()
    seals = []
    for target in range(10, 60, 10):
        while len(posted) < target:
            time.sleep(0.001)
        seals.append(seal(owner))
        assert verify(owner).findings == []
    stop.set()
    for writer in writers:
        writer.join()
    seals.append(seal(owner))
    assert sum(each.entries for each in seals) == len(posted)
    assert verify(owner).findings == []


def test_a_posting_transaction_that_stays_open_stops_the_seal_and_not_the_others(
    admin: psycopg.Connection, ledger_writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "_LOCK_SECONDS", 0.05)
    monkeypatch.setattr(sealing, "_PAUSE_SECONDS", 0.0)
    with ledger_writer.transaction():
        billed(ledger_writer, "session-1")
        with pytest.raises(ProblemError, match="has been open for too long"):
            seal(admin)
        billed(admin, "session-2")
    assert verify(admin).seals == 0
    assert seal(admin).entries == 2


def test_a_seal_is_refused_inside_a_transaction(admin: psycopg.Connection) -> None:
    with admin.transaction(), pytest.raises(ValueError, match="transaction of its own"):
        seal(admin)


def _wait_for_lock(connection: psycopg.Connection) -> None:
    """Until somebody waits for a lock on the ledger."""
    waiting = (
        "SELECT FROM pg_locks WHERE relation = 'mentor_payable_ledgers'::regclass AND NOT granted"
    )
    while connection.execute(waiting).fetchone() is None:
        time.sleep(0.001)
