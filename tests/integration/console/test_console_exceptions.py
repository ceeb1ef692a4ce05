"""Exceptions at the console: found, retried, decided and dismissed, one or all that match."""

import re
import uuid
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from starlette.testclient import TestClient

from tests.integration.console.conftest import MakeConsole
from tests.integration.database_rows import complete, insert_exception

PAYABLE = Jsonb({"payable": {}})
RECORD = {
    "topic": "events.session",
    "partition": 0,
    "offset": 7,
    "key": "s",
    "value": '{"a": 1}',
    "headers": [],
}


def statuses(owner: psycopg.Connection) -> dict[str, int]:
    rows = owner.execute("SELECT status, count(*) FROM billing_exceptions GROUP BY status")
    return dict(rows.fetchall())


def test_open_ones_are_shown_oldest_first_and_those_of_yesterday_are_marked(
    console: TestClient, owner: psycopg.Connection
) -> None:
    young = insert_exception(owner)
    old = insert_exception(owner, first_failed_at="2026-01-01T00:00:00Z")
    insert_exception(owner, status="resolved")
    page = console.get("/exceptions").text
    assert re.findall('data-exception="(.*?)"', page) == [str(old), str(young)]
    assert page.count('class="state overdue"') == 1
    assert "All 2 that match" in page


def test_filters_are_part_of_the_address(console: TestClient, owner: psycopg.Connection) -> None:
    wanted = insert_exception(owner, reason="timeout", status="dismissed", resolution="a gift")
    insert_exception(owner, reason="timeout")
    insert_exception(owner)
    page = console.get("/exceptions?status=dismissed&reason=timeout").text
    assert re.findall('data-exception="(.*?)"', page) == [str(wanted)]


def test_a_long_list_comes_in_pages_that_join(
    console: TestClient, owner: psycopg.Connection
) -> None:
    reasons = ("timeout", "price_missing", "undecodable")
    for number in range(120):
        insert_exception(
            owner, reason=reasons[number % 3], status=("failed", "resolved")[number % 2]
        )
    target, seen = "/exceptions?status=failed&status=resolved", []
    while True:
        page = console.get(target).text
        seen += re.findall('data-exception="(.*?)"', page)
        following = re.search(r'<p class="more"><a href="(.*?)"', page)
        if following is None:
            break
        target = following[1].replace("&amp;", "&")
    ids = owner.execute("SELECT id FROM billing_exceptions ORDER BY first_failed_at, id").fetchall()
    assert seen == [str(each) for (each,) in ids]


def test_a_thousand_that_match_are_retried_at_once_each_with_its_row_of_audit(
    console: TestClient, owner: psycopg.Connection
) -> None:
    owner.execute(
        "INSERT INTO billing_exceptions (id, reason, status, subject, record) "
        "SELECT gen_random_uuid(), 'price_missing', 'failed', 's-' || number, %s "
        "FROM generate_series(1, 1000) AS number",
        [PAYABLE],
    )
    conflict = insert_exception(owner, reason="session_conflict")
    page = console.get("/exceptions/confirm?act=retry&status=failed").text
    assert "Retry 1,000 exceptions?" in page
    assert "it needs a decision" in page
    form = {"act": "retry", "status": "failed", "confirmed": "1000"}
    answer = console.post("/exceptions/act", data=form)
    assert answer.status_code == 303
    assert "1,000 exceptions are tried again" in console.get(answer.headers["Location"]).text
    assert statuses(owner) == {"retrying": 1000, "failed": 1}
    acts = owner.execute(
        "SELECT count(*), count(DISTINCT detail ->> 'bulk'), count(DISTINCT subject) "
        "FROM operator_actions WHERE action = 'exceptions.retry'"
    ).fetchall()
    assert acts == [(1000, 1, 1000)]
    assert not owner.execute(
        "SELECT FROM operator_actions WHERE detail ->> 'exception_id' = %s", [str(conflict)]
    ).fetchall()


@pytest.mark.parametrize("act", ["retry", "dismiss"])
def test_what_came_in_between_is_not_done_unseen(
    console: TestClient, owner: psycopg.Connection, act: str
) -> None:
    for _ in range(3):
        insert_exception(owner, record=PAYABLE)
    form = {"act": act, "status": "failed", "confirmed": "2", "why": "a gift"}
    answer = console.post("/exceptions/act", data=form)
    assert answer.status_code == 409
    assert "2 were confirmed, and 3 match by now: nothing was done" in answer.text
    assert statuses(owner) == {"failed": 3}
    assert owner.execute("SELECT FROM operator_actions").fetchall() == []


def test_those_that_were_ticked_and_no_others_are_dismissed(
    console: TestClient, owner: psycopg.Connection
) -> None:
    ticked = [insert_exception(owner), insert_exception(owner)]
    insert_exception(owner)
    address = "/exceptions/confirm?act=dismiss&" + "&".join(f"id={each}" for each in ticked)
    page = console.get(address).text
    assert "Dismiss 2 exceptions?" in page
    form: dict[str, Any] = {"act": "dismiss", "confirmed": "2", "why": "paid by hand"}
    form["id"] = [str(each) for each in ticked]
    assert console.post("/exceptions/act", data=form).status_code == 303
    assert statuses(owner) == {"dismissed": 2, "failed": 1}


def test_nothing_is_dismissed_without_a_reason(
    console: TestClient, owner: psycopg.Connection
) -> None:
    exception = insert_exception(owner)
    form = {"act": "dismiss", "status": "failed", "confirmed": "1", "why": "  "}
    assert console.post("/exceptions/act", data=form).status_code == 400
    alone = console.post(f"/exceptions/{exception}/dismiss", data={"why": " "})
    assert alone.status_code == 400
    assert "The reason is missing: nothing was done" in alone.text
    assert statuses(owner) == {"failed": 1}


def test_a_conflict_cannot_be_retried_and_says_what_else(
    console: TestClient, owner: psycopg.Connection
) -> None:
    exception = insert_exception(owner, reason="session_conflict", source_event_id=uuid.uuid4())
    page = console.get(f"/exceptions/{exception}").text
    assert "trying again cannot change that" in page
    assert f"/exceptions/{exception}/retry" not in page
    assert console.post(f"/exceptions/{exception}/retry").status_code == 409


def test_an_event_is_voided_by_a_decision(console: TestClient, owner: psycopg.Connection) -> None:
    event = complete(owner, "s-1")
    exception = insert_exception(
        owner, reason="session_conflict", subject="s-1", kind="session", source_event_id=event.id
    )
    answer = console.post(f"/exceptions/{exception}/void", data={"why": "entered twice"})
    assert answer.status_code == 303
    voided = owner.execute(
        "SELECT payload ->> 'eventId', payload ->> 'reason' FROM domain_events "
        "WHERE event_type = 'services.session.voided'"
    ).fetchall()
    assert voided == [(str(event.id), "entered twice")]


def test_a_record_that_is_no_events_cannot_be_edited(
    console: TestClient, owner: psycopg.Connection
) -> None:
    exception = insert_exception(owner, record=PAYABLE)
    assert 'name="value"' not in console.get(f"/exceptions/{exception}").text
    answer = console.post(f"/exceptions/{exception}/retry", data={"value": "{}"})
    assert answer.status_code == 400
    assert "nothing to edit" in answer.text


def test_the_value_of_an_events_record_is_offered_to_edit_and_must_be_json(
    console: TestClient, owner: psycopg.Connection
) -> None:
    exception = insert_exception(owner, reason="undecodable", record=Jsonb(RECORD))
    page = console.get(f"/exceptions/{exception}").text
    assert "&#34;a&#34;: 1" in page
    answer = console.post(f"/exceptions/{exception}/retry", data={"value": "{"})
    assert answer.status_code == 400
    assert "must be JSON" in answer.text


def test_where_payloads_are_hidden_none_can_be_edited(
    make_console: MakeConsole, owner: psycopg.Connection
) -> None:
    console = make_console(hide_payloads=True)
    exception = insert_exception(owner, reason="undecodable", record=Jsonb(RECORD))
    assert 'name="value"' not in console.get(f"/exceptions/{exception}").text
    answer = console.post(f"/exceptions/{exception}/retry", data={"value": "{}"})
    assert answer.status_code == 403


def test_kafka_that_does_not_answer_is_told_and_the_exception_stays(
    console: TestClient, owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("operations.exceptions.resending.DELIVERY_SECONDS", 0.5)
    exception = insert_exception(owner, reason="undecodable", record=Jsonb(RECORD))
    answer = console.post(f"/exceptions/{exception}/retry")
    assert answer.status_code == 503
    assert "It stays an exception" in answer.text
    assert statuses(owner) == {"failed": 1}


@pytest.mark.parametrize(
    "address",
    [
        "/exceptions?status=lost",
        "/exceptions?reason=bad_luck",
        "/exceptions?after=1",
        "/exceptions?event=x",
        "/exceptions/nothing",
        "/exceptions/confirm?act=burn",
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(console: TestClient, address: str) -> None:
    assert console.get(address).status_code == 400


def test_an_exception_that_is_not_there_is_told(console: TestClient) -> None:
    answer = console.get(f"/exceptions/{uuid.UUID(int=1)}")
    assert answer.status_code == 404
