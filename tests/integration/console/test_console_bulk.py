"""All exceptions that match, done at once: those that were confirmed, and no others."""

import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from starlette.testclient import TestClient

from tests.integration.database_rows import exception_statuses as statuses
from tests.integration.database_rows import insert_exception

PAYABLE = Jsonb({"payable": {}})


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
    form = {"act": "retry", "status": "failed", "confirmed": asked(page)}
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
    for _ in range(2):
        insert_exception(owner, record=PAYABLE)
    page = console.get(f"/exceptions/confirm?act={act}&status=failed").text
    insert_exception(owner, record=PAYABLE)
    form = {"act": act, "status": "failed", "confirmed": asked(page), "why": "a gift"}
    answer = console.post("/exceptions/act", data=form)
    assert answer.status_code == 409
    assert "2 were confirmed, and 3 match by now: nothing was done" in answer.text
    assert statuses(owner) == {"failed": 3}
    assert owner.execute("SELECT FROM operator_actions").fetchall() == []


@pytest.mark.parametrize("act", ["retry", "dismiss"])
def test_as_many_others_are_not_those_that_were_confirmed(
    console: TestClient, owner: psycopg.Connection, act: str
) -> None:
    settled, _ = [insert_exception(owner, record=PAYABLE) for _ in range(2)]
    page = console.get(f"/exceptions/confirm?act={act}&status=failed").text
    owner.execute("UPDATE billing_exceptions SET status = 'resolved' WHERE id = %s", [settled])
    insert_exception(owner, record=PAYABLE)
    form = {"act": act, "status": "failed", "confirmed": asked(page), "why": "a gift"}
    answer = console.post("/exceptions/act", data=form)
    assert answer.status_code == 409
    assert "as many match, but not the same ones: nothing was done" in answer.text
    assert statuses(owner) == {"failed": 2, "resolved": 1}
    assert owner.execute("SELECT FROM operator_actions").fetchall() == []


@pytest.mark.parametrize("act", ["retry", "dismiss"])
def test_one_that_is_settled_while_all_are_done_stays_settled(
    console: TestClient, owner: psycopg.Connection, act: str
) -> None:
    settled, _ = [insert_exception(owner, record=PAYABLE) for _ in range(2)]
    page = console.get(f"/exceptions/confirm?act={act}&status=failed").text
    form = {"act": act, "status": "failed", "confirmed": asked(page), "why": "a gift"}
    with ThreadPoolExecutor(1) as pool:
        with owner.transaction():
            owner.execute(
                "UPDATE billing_exceptions SET status = 'resolved' WHERE id = %s", [settled]
            )
            answer = pool.submit(console.post, "/exceptions/act", data=form)
            # It waits for that row, which it saw as failed.
            wait_for_a_lock(owner)
        assert answer.result().status_code == 409
    assert statuses(owner) == {"failed": 1, "resolved": 1}
    assert owner.execute("SELECT FROM operator_actions").fetchall() == []


def wait_for_a_lock(owner: psycopg.Connection) -> None:
    deadline = time.monotonic() + 10
    while not owner.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall():
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.01)


def test_of_records_that_are_not_whole_none_is_sent_and_the_others_are_tried(
    console: TestClient, owner: psycopg.Connection
) -> None:
    record = {
        "topic": "events.session", "partition": 0, "offset": 7, "key": "k", "headers": [],
        "value": "{", "cut": "3000000 bytes: all of it stands at events.session[0]@7",
    }  # fmt: skip
    insert_exception(owner, reason="undecodable", record=Jsonb(record))
    insert_exception(owner, record=PAYABLE)
    page = console.get("/exceptions/confirm?act=retry&status=failed").text
    assert "Retry 1 exception?" in page
    assert "only the beginning of the record is kept" in page
    form = {"act": "retry", "status": "failed", "confirmed": asked(page)}
    assert console.post("/exceptions/act", data=form).status_code == 303
    assert statuses(owner) == {"retrying": 1, "failed": 1}


def asked(page: str) -> str:
    """What a page of confirmation has a person agree to."""
    found = re.search('name="confirmed" value="(.*?)"', page)
    assert found is not None
    return found[1]


def test_those_that_were_ticked_and_no_others_are_dismissed(
    console: TestClient, owner: psycopg.Connection
) -> None:
    ticked = [insert_exception(owner), insert_exception(owner)]
    insert_exception(owner)
    address = "/exceptions/confirm?act=dismiss&" + "&".join(f"id={each}" for each in ticked)
    page = console.get(address).text
    assert "Dismiss 2 exceptions?" in page
    form: dict[str, Any] = {"act": "dismiss", "confirmed": asked(page), "why": "paid by hand"}
    form["id"] = [str(each) for each in ticked]
    assert console.post("/exceptions/act", data=form).status_code == 303
    assert statuses(owner) == {"dismissed": 2, "failed": 1}


@pytest.mark.parametrize("confirmed", ["2", "0-0", "1-", "9" * 5_000 + "-1"])
def test_what_no_page_asked_to_confirm_is_not_done(
    console: TestClient, owner: psycopg.Connection, confirmed: str
) -> None:
    insert_exception(owner, record=PAYABLE)
    form = {"act": "retry", "status": "failed", "confirmed": confirmed}
    answer = console.post("/exceptions/act", data=form)
    assert answer.status_code == 409
    assert "nothing was done" in answer.text
    assert statuses(owner) == {"failed": 1}


def test_a_list_by_subject_and_event_shows_what_an_act_on_all_that_match_is_done_to(
    console: TestClient, owner: psycopg.Connection
) -> None:
    event = uuid.uuid4()
    both = insert_exception(owner, subject="s-1", source_event_id=event)
    insert_exception(owner, subject="s-1", source_event_id=uuid.uuid4())
    chosen = f"status=failed&subject=s-1&event={event}"
    shown = re.findall('data-exception="(.*?)"', console.get(f"/exceptions?{chosen}").text)
    assert shown == [str(both)]
    assert "1 match" in console.get(f"/exceptions/confirm?act=dismiss&{chosen}").text
