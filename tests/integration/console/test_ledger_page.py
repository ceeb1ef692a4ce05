"""The ledger in the console: what is listed, what it comes to, one entry, and the export."""

import csv
import io
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import psycopg
import pytest
from starlette.requests import ClientDisconnect
from starlette.testclient import TestClient

from operations.actions import record_action
from operations.console.pages import ledger
from operations.ledger import listing
from operations.ledger.reversing import Decision, reverse
from tests.integration.console.visiting import read, targets
from tests.integration.database_rows import insert_entry, pay


def post(connection: psycopg.Connection, session: str, **changes: Any) -> uuid.UUID:
    entry = insert_entry(connection, session_id=session, **changes)
    pay(connection, entry, session)
    return entry


def exported(console: TestClient, **asked: str) -> list[dict[str, str]]:
    answer = console.get("/ledger.csv", params=asked)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_an_empty_ledger_says_what_makes_an_entry(console: TestClient) -> None:
    said = read(console.get("/ledger").text)
    assert "Nothing was posted in this period" in said
    assert "A session is posted once it is billable" in said


def test_the_totals_take_off_what_was_reversed_by_currency(
    console: TestClient, owner: psycopg.Connection
) -> None:
    post(owner, "session-1")
    wrong = post(owner, "session-2", amount_minor=2_500)
    reverse(owner, wrong, Decision(actor="Dana", reason="never held"))
    post(owner, "session-3", amount_minor=500, currency="JPY")
    said = read(console.get("/ledger").text)
    assert "USD 3 125.00 USD \N{MINUS SIGN}25.00 USD 100.00 USD" in said
    assert "JPY 1 500 JPY 0 JPY 500 JPY" in said


def test_the_mentors_come_with_the_largest_first_in_each_currency(
    console: TestClient, owner: psycopg.Connection
) -> None:
    for number in range(12):
        post(owner, f"session-{number}", mentor_id=f"m{number}", amount_minor=100 + number)
    said = read(console.get("/ledger").text)
    shown = said[said.index("By mentor") : said.index("No more than 10")]
    assert shown.index("m11 1 1.11 USD") < shown.index("m10 1 1.10 USD")
    assert " m1 " not in shown, "the smallest are left to the CSV"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"mentor": "m-2"}, {"other"}),
        ({"contract": "c-2"}, {"other"}),
        ({"session": "member-1"}, {"package"}),
        ({"package": "p-1"}, {"package"}),
        ({"until": "2026-01-01"}, set()),
        ({"session": "nobody"}, set()),
    ],
)
def test_it_lists_and_exports_what_is_asked_for(
    console: TestClient, owner: psycopg.Connection, asked: dict[str, str], expected: set[str]
) -> None:
    package = insert_entry(owner, kind="package", session_id=None, service_package_id="p-1")
    for member in ("member-1", "member-2"):
        pay(owner, package, member)
    other = post(owner, "session-2", mentor_id="m-2", contract_id="c-2")
    names = {str(package): "package", str(other): "other"}
    html = console.get("/ledger", params=asked).text
    assert {name for entry, name in names.items() if f"/ledger/{entry}" in targets(html)} == (
        expected
    )
    assert {names[row["id"]] for row in exported(console, **asked)} == expected


def test_without_a_question_it_lists_the_last_seven_days(
    console: TestClient, admin: psycopg.Connection
) -> None:
    old, new = post(admin, "session-1"), post(admin, "session-2")
    admin.execute("ALTER TABLE mentor_payable_ledgers DISABLE TRIGGER USER")
    admin.execute(
        "UPDATE mentor_payable_ledgers SET posted_at = now() - interval '8 days' WHERE id = %s",
        [old],
    )
    assert f"/ledger/{old}" not in targets(console.get("/ledger").text)
    assert [row["id"] for row in exported(console)] == [str(new)]
    # Whoever names a mentor asks for all of them.
    assert f"/ledger/{old}" in targets(console.get("/ledger?mentor=mentor-1").text)
    day = (datetime.now(UTC) - timedelta(days=8)).date().isoformat()
    assert [row["id"] for row in exported(console, since=day, until=day)] == [str(old)]


def test_its_pages_list_each_entry_once_the_newest_first(
    console: TestClient, owner: psycopg.Connection
) -> None:
    posted = [post(owner, f"session-{number}") for number in range(120)]
    seen: list[str] = []
    path = "/ledger?mentor=mentor-1"
    pages = 0
    while path:
        links = targets(console.get(path).text)
        seen += [link for link in links if link.startswith("/ledger/")]
        path = next((link for link in links if "before=" in link), "")
        pages += 1
        assert "mentor=mentor-1" in path or not path
    assert pages == 3
    assert seen == [f"/ledger/{entry}" for entry in reversed(posted)]


def test_an_entry_tells_what_it_pays_and_what_became_of_it(
    console: TestClient, owner: psycopg.Connection
) -> None:
    entry = post(owner, "session-1")
    (reversal,) = reverse(owner, entry, Decision(actor="Dana", reason="never held"))
    html = console.get(f"/ledger/{entry}").text
    assert "/history?session=session-1" in targets(html)
    assert f"/ledger/{reversal.id}" in targets(html)
    said = read(html)
    assert "Session of 100.00 USD reversed" in said
    assert "Dana : ledger.reverse, “never held”" in said
    assert "--dry-run" not in said, "there is nothing left to take back"
    of_reversal = read(console.get(f"/ledger/{reversal.id}").text)
    assert "1 session whose pay it takes back session-1" in of_reversal


def test_an_entry_that_stands_tells_the_commands_that_take_it_back(
    console: TestClient, owner: psycopg.Connection
) -> None:
    entry = post(owner, "session-1")
    said = read(console.get(f"/ledger/{entry}").text)
    assert f"outbox ledger reverse {entry} --reason" in said
    assert f"outbox ledger correct {entry} --reason" in said
    assert "Nobody has decided anything" in said


def test_an_entry_that_is_not_there_is_said_so(console: TestClient) -> None:
    missing = uuid.uuid4()
    answer = console.get(f"/ledger/{missing}")
    assert answer.status_code == 404
    assert f"The ledger has no entry {missing}" in read(answer.text)
    assert console.get("/ledger/seven").status_code == 400


@pytest.mark.parametrize(
    "asked", ["since=yesterday", "since=2026-03-02&until=2026-03-01", "before=seven"]
)
def test_what_cannot_be_asked_is_refused_in_words(console: TestClient, asked: str) -> None:
    answer = console.get(f"/ledger?{asked}")
    assert answer.status_code == 400
    assert "That cannot be asked" in answer.text


def test_the_export_is_for_programs_and_harmless_in_a_spreadsheet(
    console: TestClient, owner: psycopg.Connection
) -> None:
    contract = '=HYPERLINK("https://elsewhere","pay"), "quoted"'
    entry = post(owner, "-1", contract_id=contract)
    record_action(
        owner,
        actor="@dana",
        action="exceptions.bill",
        subject="-1",
        reason="two\nlines",
        detail={"billed_id": str(entry)},
    )
    reverse(owner, entry, Decision(actor="Dana", reason="never held"))
    answer = console.get("/ledger.csv?session=-1&since=2026-01-01&until=2999-12-31")
    assert answer.headers["content-disposition"] == (
        'attachment; filename="ledger-2026-01-01-to-2999-12-31.csv"'
    )
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    posted, taken_back = csv.DictReader(io.StringIO(answer.text))
    assert posted["contract_id"] == f"'{contract}"
    assert (posted["session_id"], posted["session_ids"]) == ("'-1", "'-1")
    assert (posted["decided_by"], posted["reason"]) == ("'@dana", "two\nlines")
    assert (posted["amount_minor"], posted["currency"]) == ("10000", "USD")
    assert taken_back["amount_minor"] == "-10000", "an amount is a number, and no formula"
    assert datetime.fromisoformat(posted["occurred_at"]).tzinfo is not None


def test_whoever_breaks_an_export_off_leaves_no_transaction_open(
    console: TestClient, owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_ROWS_AT_ONCE", 1)
    for number in range(3):
        post(owner, f"session-{number}")
    kept: list[object] = []
    export = ledger._Export.__init__

    def keep(self: object, *arguments: object, **told: object) -> None:
        # As a traceback that is still around does.
        kept.append(arguments)
        export(self, *arguments, **told)

    monkeypatch.setattr(ledger._Export, "__init__", keep)

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.body":
            raise OSError("nobody listens any more")

    host = (b"host", b"127.0.0.1:25405")
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "method": "GET",
        "path": "/ledger.csv", "query_string": b"", "headers": [host], "scheme": "http",
        "http_version": "1.1",
    }  # fmt: skip
    with pytest.raises((OSError, ClientDisconnect)):
        anyio.run(console.app, scope, receive, send)
    assert kept
    others = "SELECT state FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
    assert owner.execute(others, [owner.info.dbname]).fetchall() in ([], [("idle",)])


def test_the_export_of_nothing_has_its_header(console: TestClient) -> None:
    lines = console.get("/ledger.csv").text.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("posted_at,id,kind,mentor_id")
