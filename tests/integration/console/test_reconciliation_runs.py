"""What the scheduler's runs leave for the console, and what it says where they leave nothing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import sql

from infra.postgres.migrate import OWNER
from operations.reconcile.comparison import Scope
from operations.reconcile.reconciling import Examination
from operations.scheduler.tasks import RECONCILE_DAY, _record, _recorded
from operations.scheduler.timetable import Outcome, Turn
from tests.integration.reconciled import bill_session, insert_price, reconciled
from tests.postgres_server import PostgresServer

SINCE = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
def run_day(
    postgres_server: PostgresServer,
    owner: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[], Outcome]:
    """Reconcile a day on a real database, and record it as the scheduler does."""
    monkeypatch.setenv("OUTBOX_DATABASE_URL", postgres_server.url(OWNER, owner.info.dbname))
    turn = Turn(datetime.now(UTC).timestamp(), None, lambda _: None)
    insert_price(owner)
    bill_session(owner, "session-1")

    def examine(since: datetime | None, _: Turn) -> Examination:
        return Examination(reconciled(owner, since=since), Scope(judged={}), None)

    return lambda: _recorded(RECONCILE_DAY, SINCE, turn, examine, _record)


def test_the_scheduler_leaves_what_it_found_with_its_window(
    run_day: Callable[[], Outcome], owner: psycopg.Connection
) -> None:
    outcome = run_day()
    assert (outcome.verdict, outcome.fine) == ("clean", True)
    assert outcome.summary == "1 events and 1 bills are as they should be"
    assert set(outcome.offenders.values()) == {0}
    ((*run, figures, days),) = owner.execute(
        "SELECT task, actor, since, until, verdict, figures, days FROM reconciliation_runs"
    ).fetchall()
    assert run == ["reconcile-day", "scheduler", SINCE, None, "clean"]
    assert (figures["expected"], figures["waiting"], figures["warnings"]) == (1, 0, [])
    assert not {"days", "details"} & set(figures)
    assert [(day["billed"], day["verdict"]) for day in days] == [(1, "clean")]


def test_a_database_that_lets_nothing_be_written_is_told_beside_the_verdict(
    run_day: Callable[[], Outcome], owner: psycopg.Connection, admin: psycopg.Connection
) -> None:
    admin.execute(
        sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(
            sql.Identifier(owner.info.dbname)
        )
    )
    outcome = run_day()
    assert (outcome.verdict, outcome.fine, outcome.alarming) == ("clean", False, False)
    assert "1 bills are as they should be. It could not be recorded" in outcome.summary
    assert "read-only transaction" in outcome.summary
