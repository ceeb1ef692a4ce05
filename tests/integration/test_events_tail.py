"""`outbox events tail` on a real PostgreSQL: what comes late, what ends it, what it survives."""

import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psycopg
import pytest

from infra.local.layout import project_directory
from infra.postgres.migrate import OWNER, apply_migrations, bootstrap
from operations.events.reading import Choice, arrivals, connect, writers
from operations.history.chain import Subject, read_known
from tests.integration.database_rows import complete, evaluate
from tests.integration.reconciled import bill_session, receive
from tests.integration.tailing import SECONDS, Tail, tailing
from tests.postgres_server import PostgresServer, running_postgres
from tests.running_stack import outbox_command
from tests.waiting import wait_until

LONG_AGO = "2026-01-01"


@pytest.fixture
def url(postgres_server: PostgresServer, database: str) -> str:
    return postgres_server.url(OWNER, database)


@pytest.fixture
def tail(url: str) -> Iterator[Tail]:
    with tailing(url, "--since", LONG_AGO) as tail:
        yield tail


def test_an_event_is_shown_pending_then_published_then_billed_with_its_latencies(
    owner: psycopg.Connection, tail: Tail
) -> None:
    event = complete(owner, "s", requiredEvaluation=True)
    tail.wait_for("s")
    receive(owner, event)
    tail.wait("published", lambda rows: rows[-1]["status"] == "published")
    assert tail.states("s") == [
        ("event", "pending", "waiting_evaluation"),
        ("change", "published", "waiting_evaluation"),
    ]
    assert tail.rows()[-1]["published_after_ms"] > 0
    bill_session(owner, "t")
    tail.wait("billed", lambda rows: rows[-1]["billing"] == "billed")
    assert tail.rows()[-1]["billed_after_ms"] > 0


def test_events_are_shown_once_though_their_transaction_was_open_for_many_looks(
    owner: psycopg.Connection, application: psycopg.Connection, url: str, tail: Tail
) -> None:
    """Its events look older than what was shown long before it was committed."""
    with psycopg.connect(url) as other, application.transaction():
        complete(application, "late")
        with application.transaction():
            complete(application, "late-in-a-savepoint")
        complete(other, "rolled-back")
        for number in range(4):
            complete(owner, f"s-{number}")
            tail.wait_for(f"s-{number}")
        other.rollback()
        assert tail.states("late") == []
    complete(owner, "last")
    tail.wait_for("late", "late-in-a-savepoint", "last")
    shown = [row["id"] for row in tail.rows() if row["news"] == "event"]
    assert len(shown) == len(set(shown)) == 7
    assert tail.states("rolled-back") == []


def test_whoever_inserts_is_known_until_the_commit(url: str) -> None:
    """Also before its first row is there, and whoever only reads is not."""
    with connect(url) as looking, psycopg.connect(url) as writing, psycopg.connect(url) as reading:
        reading.execute("SELECT count(*) FROM domain_events")
        assert writers(looking)[1] == frozenset()
        complete(writing, "s")
        assert len(writers(looking)[1]) == 1
        writing.commit()
        assert writers(looking)[1] == frozenset()


def test_only_the_chosen_events_are_shown(owner: psycopg.Connection, url: str) -> None:
    complete(owner, "mine")
    complete(owner, "other", contractId="contract-2", mentorId="mentor-2")
    evaluate(owner, "mine")

    def chosen(choice: Choice) -> list[tuple[str, str]]:
        since = datetime.fromisoformat(LONG_AGO).replace(tzinfo=UTC)
        found = dict(row for page in arrivals(looking, choice, since) for row in page)
        rows = read_known(looking, found)
        return [(row["aggregate_id"], row["event_type"].rpartition(".")[2]) for row in rows]

    with connect(url) as looking:
        of_mine = [("mine", "completed"), ("mine", "evaluated")]
        assert chosen(Choice(subject=Subject(contract="contract-1"))) == of_mine
        assert chosen(Choice(subject=Subject(mentor="mentor-1"))) == of_mine
        assert chosen(Choice(aggregate="mine")) == of_mine
        evaluations = ("services.session.evaluated",)
        assert chosen(Choice(types=evaluations)) == of_mine[1:]
        assert chosen(Choice(types=evaluations, aggregate="other")) == []


def test_more_events_than_a_page_are_all_shown_in_order(
    owner: psycopg.Connection, tail: Tail
) -> None:
    with owner.transaction():
        for number in range(2_500):
            complete(owner, f"s-{number}")
    tail.wait("all are shown", lambda rows: len(rows) >= 2_500)
    assert [row["aggregate_id"] for row in tail.rows()][:2_500] == [
        f"s-{number}" for number in range(2_500)
    ]


def test_a_limit_and_a_status_end_it_after_the_first_of_that_status(
    owner: psycopg.Connection, url: str
) -> None:
    complete(owner, "pending")
    receive(owner, complete(owner, "published"))
    with tailing(url, "--since", LONG_AGO, "--status", "published", "--limit", "1") as tail:
        assert tail.process.wait(SECONDS) == 0
        tail.wait_for("published")
        assert [row["aggregate_id"] for row in tail.rows()] == ["published"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_well_and_without_a_word(
    owner: psycopg.Connection, tail: Tail, number: signal.Signals
) -> None:
    complete(owner, "s")
    tail.wait_for("s")
    tail.process.send_signal(number)
    assert tail.process.wait(SECONDS) == 0
    assert tail.told() == ""


@pytest.mark.parametrize("events", [0, 3])
def test_it_ends_well_when_nobody_reads_any_more(
    owner: psycopg.Connection, url: str, events: int
) -> None:
    """Also where nothing comes that it could fail to write."""
    for number in range(events):
        complete(owner, f"s-{number}")
    process = subprocess.Popen(
        outbox_command("events", "tail", "--since", LONG_AGO),
        env={**os.environ, "OUTBOX_DATABASE_URL": url},
        cwd=project_directory(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    if events:
        process.stdout.readline()
    process.stdout.close()
    try:
        assert process.wait(SECONDS) == 0
        assert process.stderr.read() == b""
    finally:
        process.kill()


def test_without_postgresql_to_begin_with_it_ends_with_3() -> None:
    nowhere = "host=127.0.0.1 port=1 dbname=outbox"
    with tailing(nowhere) as tail:
        assert tail.process.wait(SECONDS) == 3
        wait_until("it says so", tail.told, lambda told: "cannot be reached" in told, SECONDS)


def crash(server: PostgresServer) -> None:
    """Kill one of its processes, upon which it ends all of them and starts anew."""
    with psycopg.connect(server.admin_url) as victim:
        os.kill(victim.info.backend_pid, signal.SIGKILL)
    wait_until("PostgreSQL answers again", partial(answers, server.admin_url), bool, SECONDS)


def answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_restart_of_postgresql_is_told_and_nothing_is_missed(tmp_path: Path) -> None:
    with running_postgres(tmp_path / "server") as server:
        bootstrap(server.admin_url, server.passwords, "outbox")
        url = server.url(OWNER, "outbox")
        apply_migrations(url)
        with tailing(url, "--since", LONG_AGO) as tail:
            with psycopg.connect(url, autocommit=True) as owner:
                complete(owner, "before")
                tail.wait_for("before")
            crash(server)
            with psycopg.connect(url, autocommit=True) as owner:
                complete(owner, "after")
            tail.wait_for("after")
            wait_until("the outage is told", tail.told, lambda told: "again:" in told, SECONDS)
            told = tail.told().splitlines()
            assert told[0].startswith("PostgreSQL does not answer")
            assert told[-1].startswith("PostgreSQL answers again")
            assert tail.states("before") == [("event", "pending", "due")]
