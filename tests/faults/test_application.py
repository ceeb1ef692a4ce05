"""The application knows what it committed, whatever moment it is killed at: the journal is true."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest

from infra.local.layout import Layout
from infra.local.sweep import running_processes, sweep
from infra.postgres.migrate import OWNER, apply_migrations, bootstrap
from tests.faults.application import Application
from tests.faults.campaign import planned
from tests.faults.catalog import FAULTS
from tests.faults.driver import EXIT_BROKEN, Order
from tests.faults.evidence import Evidence
from tests.faults.gathering import gather
from tests.faults.journal import COMMITTED, Journal, JournalReader
from tests.faults.lane import MOMENTS, Lane, armed
from tests.faults.stories import Event, Transaction
from tests.faults.workload import prices, transactions
from tests.postgres_server import PostgresServer
from tests.waiting import wait_until

DATABASE = "faults"


@pytest.fixture(scope="module")
def url(postgres_server: PostgresServer) -> Iterator[str]:
    bootstrap(postgres_server.admin_url, postgres_server.passwords, DATABASE)
    apply_migrations(postgres_server.url(OWNER, DATABASE))
    yield postgres_server.url("outbox_application", DATABASE)
    with psycopg.connect(postgres_server.admin_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def signup(user: str) -> Event:
    return Event(
        "user", user, "user.signup", {"userId": user, "signedUpAt": "2026-03-01T12:00:00Z"}
    )


def lane(url: str, path: Path, moment: Path) -> Lane:
    return Lane("lane", url, Journal(path, "lane"), lambda _: False, armed(moment))


def in_a_process_that_dies(url: str, path: Path, switch: Path, transaction: Transaction) -> int:
    """Carry out a transaction in a child process; return the signal that ended it."""
    child = os.fork()
    if child == 0:
        try:
            lane(url, path, switch).carry_out(0, transaction)
        finally:
            os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_moment_it_finds_out_what_it_committed(
    moment: str, url: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    path, switch = tmp_path / "lane.000000.jsonl", tmp_path / "switch"
    switch.write_text(moment)
    user = f"killed {moment}"
    transaction = Transaction((signup(user), signup(user)))
    assert in_a_process_that_dies(url, path, switch, transaction) == 9

    reader = JournalReader(path, "lane")
    assert list(reader.settled()) == []
    successor = lane(url, path, switch)
    successor.journal.attempts = reader.attempts
    committed = successor.settle_unknown(reader)
    noted = [attempt.outcome for attempt in JournalReader(path, "lane").settled()]
    with psycopg.connect(postgres_server.admin_url_of(DATABASE)) as admin:
        rows = admin.execute(
            "SELECT count(*) FROM domain_events WHERE aggregate_id = %s", [user]
        ).fetchone()
    successor.close()
    assert rows == (2 if committed else 0,)
    assert committed is (noted == [COMMITTED])
    assert moment != "after commit" or committed
    assert moment == "at commit" or committed == (moment == "after commit")


def test_the_database_takes_the_plan_and_holds_exactly_what_the_journal_says(
    url: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    with psycopg.connect(postgres_server.url(OWNER, DATABASE)) as owner, owner.cursor() as cursor:
        cursor.executemany("INSERT INTO mentor_prices VALUES (%s, %s, %s, %s, %s)", prices())
    worker = lane(url, tmp_path / "lane.000000.jsonl", tmp_path / "switch")
    for number, transaction in enumerate(transactions(1, "short", 0)[:400]):
        worker.carry_out(number, transaction)
    worker.close()
    evidence = Evidence(":memory:")
    gather(postgres_server.admin_url_of(DATABASE), tmp_path, evidence)
    differing = (
        "SELECT count(*) FROM journal LEFT JOIN domain_events AS d USING (id) "
        "WHERE (journal.outcome = 'committed') <> (d.id IS NOT NULL) "
        "OR d.digest <> journal.digest"
    )
    assert evidence.one(differing) == 0
    assert evidence.one("SELECT count(*) FROM journal WHERE outcome = 'committed'") > 400
    assert evidence.one("SELECT count(*) FROM journal WHERE outcome = 'rolled back'") > 0


class Elsewhere:
    """As much of a stack as an application asks of: where its database is, and where it lies."""

    def __init__(self, url: str, home: Path) -> None:
        self.url = url
        self.layout = Layout(home, 0)

    def address(self, _: str) -> str:
        return self.url


def application(url: str, home: Path) -> Application:
    return Application(cast("Any", Elsewhere(url, home)), home, 1, 100.0)


def test_a_lane_that_breaks_ends_its_process_and_is_told(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    broken = application(postgres_server.admin_url, tmp_path)  # it has no table of events
    broken._processes[0] = broken._started(0)
    broken._watch.start()
    wait_until("its end is told", lambda: broken.failures, bool)
    broken.stop()
    assert f"application process 0 ended with exit code {EXIT_BROKEN}: " in broken.failures[0]
    assert "domain_events" in broken.failures[0]


def test_a_process_that_nobody_stopped_is_swept_away_with_the_stack(tmp_path: Path) -> None:
    left_behind = application("postgresql://127.0.0.1:1/nowhere", tmp_path)._started(0)
    layout = Layout(tmp_path, 0)
    wait_until("it bears the mark of the stack", lambda: running_processes(layout), bool)
    assert sweep(layout) == ["application-0"]
    assert left_behind.wait(10) is not None


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    assert transactions(1, "short", 3) == transactions(1, "short", 3)
    assert transactions(1, "short", 3) != transactions(2, "short", 3)
    assert transactions(1, "short", 3) != transactions(1, "short", 4)


def test_the_lanes_together_keep_the_rate() -> None:
    order = Order(1, "", "", "", events_per_second=200.0, processes=2, short_lanes=3)
    lanes = [lane for process in range(2) for lane in order.lanes(process)]
    assert sum(rate for _, rate in lanes) == pytest.approx(200.0)
    assert len({name for name, _ in lanes}) == len(lanes) == 8


def test_faults_are_planned_by_the_seed_each_group_first_and_each_kind_before_any_again() -> None:
    kinds = [fault.kind for fault in islice(planned(5, FAULTS), len(FAULTS))]
    assert sorted(kinds) == sorted(fault.kind for fault in FAULTS)
    groups = {fault.group for fault in FAULTS}
    assert {fault.group for fault in islice(planned(5, FAULTS), len(groups))} == groups
    assert [fault.kind for fault in islice(planned(5, FAULTS), 9)] == kinds[:9]
    assert [fault.kind for fault in islice(planned(6, FAULTS), 9)] != kinds[:9]


def test_a_fault_that_ends_with_a_rebuild_is_planned_once_unless_there_is_no_other() -> None:
    rebuilds = [fault for fault in FAULTS if fault.rebuild]
    after_all = list(islice(planned(5, FAULTS), len(FAULTS), 3 * len(FAULTS)))
    assert rebuilds
    assert not [fault.kind for fault in after_all if fault.rebuild]
    assert {fault.kind for fault in after_all} == {
        fault.kind for fault in FAULTS if not fault.rebuild
    }
    assert len(list(islice(planned(5, rebuilds), 12))) == 12
