"""Exceptions at the console: found, retried, decided and dismissed."""

import re
import uuid

import psycopg
import pytest
from psycopg.types.json import Jsonb
from starlette.testclient import TestClient

from tests.integration.console.conftest import MakeConsole
from tests.integration.database_rows import complete, insert_exception
from tests.integration.database_rows import exception_statuses as statuses

PAYABLE = Jsonb({"payable": {}})
RECORD = {
    "topic": "events.session",
    "partition": 0,
    "offset": 7,
    "key": "s",
    "value": '{"a": 1}',
    "headers": [],
}


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


def test_nothing_is_dismissed_without_a_reason(
    console: TestClient, owner: psycopg.Connection
) -> None:
    exception = insert_exception(owner)
    form = {"act": "dismiss", "status": "failed", "confirmed": "1-0", "why": "  "}
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


def test_where_payloads_are_hidden_errors_that_may_quote_them_are_too(
    make_console: MakeConsole, owner: psycopg.Connection
) -> None:
    exception = insert_exception(owner, last_error="mentor Anna Rossi has no price")
    for page in ("/exceptions", f"/exceptions/{exception}"):
        assert "Anna Rossi" in make_console().get(page).text
        assert "Anna Rossi" not in make_console(hide_payloads=True).get(page).text


def test_a_value_that_is_nested_without_end_is_shown_as_it_is_and_refused_when_edited(
    console: TestClient, owner: psycopg.Connection
) -> None:
    deep = {**RECORD, "value": "[" * 5_000}
    exception = insert_exception(owner, reason="undecodable", record=Jsonb(deep))
    assert console.get(f"/exceptions/{exception}").status_code == 200
    answer = console.post(f"/exceptions/{exception}/retry", data={"value": "[" * 5_000})
    assert answer.status_code == 400


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
