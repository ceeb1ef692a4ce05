"""The page that answers "I did 10 sessions; why are there 9 bills?"."""

import re
import uuid

import psycopg
import pytest
from starlette.testclient import TestClient

from tests.integration.console.conftest import MakeConsole
from tests.integration.database_rows import complete, insert_event, insert_exception
from tests.integration.reconciled import bill_session


def test_the_complaint_is_answered_with_the_session_that_waits(
    console: TestClient, owner: psycopg.Connection
) -> None:
    for number in range(9):
        bill_session(owner, f"s-{number}")
    complete(owner, "s-9", requiredEvaluation=True)
    page = console.get("/history?contract=contract-1").text
    assert "10 sessions completed, 9 bills." in page
    assert re.findall('data-unbilled="(.*?)"', page) == ["s-9"]
    assert "Missing: the evaluation of session s-9" in page
    assert page.count("Billed 100.00 USD (session)") == 9


@pytest.mark.parametrize(
    ("wanted", "target"),
    [
        ("contract-1", "/history?contract=contract-1"),
        ("s-1", "/history?session=s-1"),
        ("package-1", "/history?package=package-1"),
        ("mentor-1", "/history?mentor=mentor-1"),
    ],
)
def test_an_id_finds_what_bears_it(
    console: TestClient, owner: psycopg.Connection, wanted: str, target: str
) -> None:
    complete(
        owner,
        "s-1",
        servicePackageId="package-1",
        packageCode="course",
        packageTotalSessions=2,
    )
    assert console.get("/history", params={"search": wanted}).headers["Location"] == target


def test_the_id_of_an_event_finds_it_in_the_chain_of_its_session(
    console: TestClient, owner: psycopg.Connection
) -> None:
    event = complete(owner, "s-1")
    found = console.get("/history", params={"search": str(event.id)})
    assert found.headers["Location"] == f"/history?event={event.id}"
    chain = console.get(found.headers["Location"]).headers["Location"]
    assert chain == f"/history?session=s-1#{event.id}"
    assert f'id="{event.id}"' in console.get(chain).text


def test_the_event_of_no_chain_is_shown_alone(
    console: TestClient, owner: psycopg.Connection
) -> None:
    payload = {"userId": "u-1", "signedUpAt": "2026-03-01T12:00:00Z"}
    event = insert_event(owner, "user.signup", payload, "user", "u-1")
    page = console.get(f"/history?event={event.id}")
    assert page.status_code == 200
    assert "user.signup" in page.text


def test_where_several_things_bear_an_id_a_person_chooses(
    console: TestClient, owner: psycopg.Connection
) -> None:
    complete(owner, "7", contractId="7", mentorId="7")
    page = console.get("/history?search=7").text
    assert re.findall(r'href="/history\?(\w+)=7"', page) == ["contract", "session", "mentor"]


@pytest.mark.parametrize("address", ["/history?search=nobody", "/history?contract=nobody"])
def test_an_id_that_no_event_names_is_told(console: TestClient, address: str) -> None:
    answer = console.get(address)
    assert answer.status_code == 404
    assert "No event names nobody" in answer.text


def test_a_long_chain_comes_in_pages_that_join(
    console: TestClient, owner: psycopg.Connection
) -> None:
    for number in range(130):
        complete(owner, f"s-{number:03}")
    seen, target = [], "/history?mentor=mentor-1"
    while True:
        page = console.get(target).text
        seen += re.findall(r'<li class="\w*" id="(.*?)"', page)
        following = re.search(r'<p class="more"><a href="(.*?)"', page)
        if following is None:
            break
        target = following[1].replace("&amp;", "&")
    events = owner.execute("SELECT id FROM domain_events ORDER BY created_at, id").fetchall()
    assert seen == [str(event) for (event,) in events]
    assert "130 sessions have no bill; the first 20:" in page


def test_an_exception_is_a_click_away(console: TestClient, owner: psycopg.Connection) -> None:
    event = complete(owner, "s-1")
    insert_exception(owner, subject="s-1", kind="session", source_event_id=event.id)
    page = console.get("/history?session=s-1").text
    assert f'href="/exceptions?event={event.id}"' in page
    assert console.get(f"/exceptions?event={event.id}").text.count("data-exception") == 1


def test_what_an_application_wrote_is_shown_as_text_and_never_run(
    console: TestClient, owner: psycopg.Connection
) -> None:
    complete(owner, "<script>alert(1)</script>", contractId='"><img src=x>')
    page = console.get("/history", params={"contract": '"><img src=x>'}).text
    assert "<script>alert(1)" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_payloads_can_be_hidden(make_console: MakeConsole, owner: psycopg.Connection) -> None:
    complete(owner, "s-1", studentId="Anna Rossi")
    shown = make_console().get("/history?session=s-1").text
    hidden = make_console(hide_payloads=True).get("/history?session=s-1").text
    assert "Anna Rossi" in shown
    assert "Anna Rossi" not in hidden
    assert "studentId" in hidden


@pytest.mark.parametrize(
    "address",
    [
        "/history?event=7",
        "/history?contract=a&session=b",
        f"/history?mentor=m&after=yesterday_{uuid.UUID(int=1)}",
    ],
)
def test_an_address_that_asks_for_nothing_sensible_is_refused_in_words(
    console: TestClient, address: str
) -> None:
    answer = console.get(address)
    assert answer.status_code == 400
    assert "That cannot be asked" in answer.text


def test_an_id_with_a_null_character_is_refused_in_words(console: TestClient) -> None:
    assert console.get("/history?search=a%00b").status_code == 400
