"""Reconciliation in the console: which run speaks for which day, what is wrong, a run by hand."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from starlette.testclient import TestClient

from operations.reconcile.recording import ASKED, record_run
from operations.reconcile.report import Reconciliation
from tests.integration.console.visiting import read, targets
from tests.integration.database_rows import InsertedEvent, complete
from tests.integration.reconciled import bill_session, insert_price, post, receive, reconciled

PATIENCE_SECONDS = 60
NOW = datetime.now(UTC)
TODAY = NOW.date().isoformat()
MIDNIGHT = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
DAY = timedelta(days=1)

Record = Callable[..., None]


@pytest.fixture
def record(owner: psycopg.Connection) -> Record:
    """Record what a reconciliation finds now, as a run of some window."""

    def record(
        found: Reconciliation | None = None,
        *,
        task: str = "reconcile-day",
        since: datetime | None = None,
        until: datetime | None = None,
        began_at: datetime | None = None,
    ) -> None:
        record_run(
            owner,
            task,
            "Dana",
            (since, until),
            began_at or datetime.now(UTC),
            found or reconciled(owner, since=since, until=until),
        )

    return record


@pytest.fixture
def missing_bill(admin: psycopg.Connection) -> InsertedEvent:
    """The completion of session-2, which was never billed as session-1 was."""
    insert_price(admin)
    bill_session(admin, "session-1")
    event = complete(admin, "session-2")
    receive(admin, event)
    return event


def days(html: str) -> dict[str, str]:
    """What is said of each day, by its date."""
    rows = html.split('<tr data-day="')[1:]
    return {row[:10]: read("<tr " + row.split("</tr>")[0].partition(">")[2]) for row in rows}


def test_where_nothing_was_reconciled_yet_it_says_what_will(console: TestClient) -> None:
    said = read(console.get("/reconciliation").text)
    assert "No run has judged any of these days yet" in said
    assert "The scheduler does not answer" in said


@pytest.mark.usefixtures("missing_bill")
def test_a_missing_bill_is_shown_on_its_day_with_all_that_leads_further(
    console: TestClient, record: Record
) -> None:
    record()
    html = console.get("/reconciliation").text
    assert days(html)[TODAY].startswith(f"{TODAY} roll back 2 2 1 1 0 0 0 0 0")
    said = read(html)
    assert "missing not in ledger session session-2 contract-1" in said
    assert "/history?session=session-2" in targets(html)
    tomorrow = (MIDNIGHT + DAY).date()
    assert (
        f"outbox reconcile --repair --since {TODAY}T00:00:00Z --until {tomorrow}T00:00:00Z" in said
    )
    (of_the_day,) = [link for link in targets(html) if f"day={TODAY}" in link]
    page = read(console.get(of_the_day).text)
    assert "missing not in ledger session session-2" in page
    assert "sends their events again" in page


@pytest.mark.usefixtures("missing_bill")
@pytest.mark.parametrize(
    ("window", "judges"),
    [
        ({}, True),
        ({"since": MIDNIGHT}, True),
        ({"since": MIDNIGHT - DAY, "until": MIDNIGHT + DAY}, True),
        ({"since": MIDNIGHT + timedelta(microseconds=1)}, False),
        ({"until": MIDNIGHT + DAY - timedelta(microseconds=1)}, False),
        ({"began_at": MIDNIGHT - timedelta(seconds=1)}, False),
    ],
)
def test_only_a_run_of_the_whole_day_speaks_for_it(
    console: TestClient, record: Record, window: dict[str, Any], judges: bool
) -> None:
    record(**window)
    assert (TODAY in days(console.get("/reconciliation").text)) is judges


def test_the_newest_run_speaks_unless_it_is_clean_because_it_could_judge_nothing(
    console: TestClient, record: Record, owner: psycopg.Connection, missing_bill: InsertedEvent
) -> None:
    record()
    # As if the stages had passed nothing: what is not billed is on its way.
    blind = replace(reconciled(owner, {0: 0}), warnings=["a stage is behind"])
    assert blind.verdict == "clean"
    record(blind)
    assert "roll back" in days(console.get("/reconciliation").text)[TODAY]
    post(owner, "session-2", source_event_id=missing_bill.id)
    record()
    assert "clean" in days(console.get("/reconciliation").text)[TODAY]


def test_days_without_anything_are_counted_once_they_were_judged(
    console: TestClient, record: Record
) -> None:
    record(since=MIDNIGHT)
    said = read(console.get("/reconciliation").text)
    assert "1 of these days is judged and empty: no event was recorded" in said
    assert "30 of these days were not judged as a whole by any run" in said
    record()
    said = read(console.get("/reconciliation").text)
    assert "31 of these days are judged and empty" in said
    assert "not judged" not in said


@pytest.mark.usefixtures("missing_bill")
def test_earlier_days_are_asked_for_by_an_address(console: TestClient, record: Record) -> None:
    record()
    yesterday = (MIDNIGHT - DAY).date()
    html = console.get(f"/reconciliation?until={yesterday}").text
    assert days(html) == {}
    first = yesterday - 30 * DAY
    assert f"By day (UTC), {first} to {yesterday}" in read(html)
    assert f"/reconciliation?until={first - DAY}" in targets(html)


def test_of_the_schedulers_runs_the_last_of_a_day_and_verdict_stays_of_a_persons_each(
    record: Record, owner: psycopg.Connection, missing_bill: InsertedEvent
) -> None:
    wrong = reconciled(owner)
    clean = reconciled(owner, {0: 0})
    assert (wrong.verdict, clean.verdict) == ("roll_back", "clean")
    for found in (clean, wrong, clean, wrong, clean):
        record(found)
        record(found, task=ASKED)
    record(clean, task="reconcile-all")
    owner.execute(
        "UPDATE reconciliation_runs SET ended_at = ended_at - interval '1 day' "
        "WHERE task = 'reconcile-day'"
    )
    record(clean)
    kept = owner.execute(
        "SELECT task, verdict, count(*) FROM reconciliation_runs GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall()
    assert kept == [
        ("asked", "clean", 3),
        ("asked", "roll_back", 2),
        ("reconcile-all", "clean", 1),
        ("reconcile-day", "clean", 2),
        ("reconcile-day", "roll_back", 1),
    ]
    assert str(missing_bill.id) in str(
        owner.execute("SELECT details FROM reconciliation_runs WHERE verdict <> 'clean'").fetchone()
    )


def test_a_run_that_comes_to_no_verdict_is_told_and_can_be_asked_for_again(
    console: TestClient, owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTBOX_RECONCILE_KAFKA_TIMEOUT_SECONDS", "1")
    asked = {"since": TODAY, "until": TODAY}
    said = read(console.post("/reconciliation", data=asked, follow_redirects=True).text)
    assert f"The reconciliation of {TODAY} has begun" in said
    assert f"Reconciling {TODAY}" in said
    refused = console.post("/reconciliation", data=asked, follow_redirects=True)
    assert refused.status_code == 409
    assert "is still under way" in read(refused.text)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while "came to no verdict" not in said:
        assert time.monotonic() < deadline, said
        time.sleep(0.2)
        said = read(console.get("/reconciliation").text)
    assert "Kafka at 127.0.0.1:1 does not answer" in said
    assert "No run has judged any of these days yet" in said
    assert owner.execute("SELECT action, subject FROM operator_actions").fetchall() == [
        ("reconcile.run", TODAY)
    ]
    assert console.post("/reconciliation", data=asked, follow_redirects=True).status_code == 200


def test_a_run_that_is_not_there_is_not_found(console: TestClient) -> None:
    path = "/reconciliation/runs/00000000-0000-7000-8000-000000000000"
    assert console.get(path).status_code == 404
