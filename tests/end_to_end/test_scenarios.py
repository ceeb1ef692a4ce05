"""The seven scenarios that the platform asked to see, each on the whole stack."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
from confluent_kafka import Consumer

from infra.local.postgres import installation
from producer_app.database import connect, create_tables
from producer_app.domain import Service, SessionRequest
from producer_app.service import MentoringService
from tests.end_to_end.books import NOON, PACKAGE_MINOR, SINGLE_MINOR, Books
from tests.waiting import wait_until


def test_scenario_1_a_session_starts_ends_completes_consumes_its_entitlement_and_is_billed(
    books: Books,
) -> None:
    engine = connect(books.stack.address("app_database_url"))
    create_tables(engine)
    service = MentoringService(engine)
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    service.sign_contract(
        books.contract, books.id("student"), (Service(session_type="single", quantity=2),), at
    )
    service.activate_contract(books.contract, at)
    request = SessionRequest(
        session_id=books.id("s1"),
        contract_id=books.contract,
        mentor_id=books.mentor,
        session_type="single",
    )
    service.start_session(request, at)
    service.end_session(books.id("s1"), at)
    service.complete_session(books.id("s1"), at)
    engine.dispose()

    (bill,) = books.wait_for_bills(1)
    assert (bill["kind"], bill["session_id"]) == ("session", books.id("s1"))
    assert (bill["amount_minor"], bill["currency"]) == (SINGLE_MINOR, "USD")
    assert bill["occurred_at"] == at
    consumed = books.rows(
        "SELECT payload FROM domain_events "
        "WHERE aggregate_type = 'contract' AND aggregate_id = %s AND event_type = %s",
        books.contract,
        "service.consumed",
    )
    assert [row["payload"]["remaining"] for row in consumed] == [1]


def test_scenario_2_a_price_that_comes_after_the_second_attempt_is_billed_by_the_third(
    books: Books,
) -> None:
    stranger = books.id("stranger")
    event_id = books.insert(books.completed("s1", mentorId=stranger))
    wait_until(
        "the second attempt failed",
        lambda: books.exceptions(books.id("s1")),
        is_so=lambda rows: [row["attempts"] for row in rows] == [2],
    )
    assert books.status_of(event_id)["billing"] == "retrying"
    books.owner.execute(
        "INSERT INTO mentor_prices VALUES (%s, 'single', 12345, 'USD', '2020-01-01')", [stranger]
    )

    exception = books.wait_for_exception(books.id("s1"), "price_missing", "resolved")
    assert exception["attempts"] == 3
    status = books.status_of(event_id)
    assert (status["billing"], status["retry_count"]) == ("billed", 2)
    bills = books.rows("SELECT * FROM mentor_payable_ledgers WHERE mentor_id = %s", stranger)
    assert [bill["amount_minor"] for bill in bills] == [12345]


def test_scenario_2_a_bill_that_failed_every_retry_is_billed_when_a_person_retries_it(
    books: Books,
) -> None:
    stranger = books.id("stranger")
    event_id = books.insert(books.completed("s1", mentorId=stranger))
    failed = books.wait_for_exception(books.id("s1"), "price_missing", "failed")
    assert failed["attempts"] == 4
    took = (failed["updated_at"] - failed["first_failed_at"]).total_seconds()
    assert 14 <= took < 30, "retries come after 2, 4 and 8 s"
    assert books.status_of(event_id)["status"] == "failed"

    books.owner.execute(
        "INSERT INTO mentor_prices VALUES (%s, 'single', 12345, 'USD', '2020-01-01')", [stranger]
    )
    code, _, err = books.stack.outbox("exceptions", "retry", str(failed["id"]))
    assert code == 0, err
    books.wait_for_exception(books.id("s1"), "price_missing", "resolved")
    assert books.status_of(event_id)["billing"] == "billed"


def test_scenario_3_of_100_sessions_at_once_the_order_is_kept_and_none_is_billed_twice(
    books: Books,
) -> None:
    url = books.stack.address("app_database_url")

    def complete_and_evaluate(number: int) -> list[str]:
        with psycopg.connect(url, autocommit=True) as connection:
            mine = Books(books.stack, books.owner, connection, books.name)
            payload = mine.completed(f"s{number}", requiredEvaluation=True)
            return [
                mine.insert(payload),
                mine.evaluate(f"s{number}"),
                mine.insert(payload),  # delivered twice
            ]

    with ThreadPoolExecutor(20) as pool:
        inserted = list(pool.map(complete_and_evaluate, range(100)))

    bills = books.wait_for_bills(100)
    assert len({bill["session_id"] for bill in bills}) == len(bills) == 100
    assert sum(bill["amount_minor"] for bill in bills) == 100 * SINGLE_MINOR
    assert _in_order_of_kafka(books) == {
        books.id(f"s{number}"): events for number, events in enumerate(inserted)
    }


def _in_order_of_kafka(books: Books) -> dict[str, list[str]]:
    """The event ids of each of this test's sessions, in the order in which Kafka has them."""
    consumer = Consumer(
        {
            "bootstrap.servers": books.stack.address("kafka_bootstrap_servers"),
            "group.id": books.name,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe(["events.session"])
    found: dict[str, list[str]] = {}
    while sum(len(events) for events in found.values()) < 300:
        message = consumer.poll(30)
        assert message is not None, f"only {len(found)} sessions in Kafka"
        assert message.error() is None, message.error()
        session_id = (message.key() or b"").decode()
        if session_id.startswith(f"{books.name}-"):
            headers = dict(message.headers() or [])
            found.setdefault(session_id, []).append(headers["id"].decode())
    consumer.close()
    return found


def test_scenario_5_one_query_answers_why_ten_sessions_gave_nine_bills(books: Books) -> None:
    for number in range(1, 11):
        needs_evaluation = number in {6, 7}
        books.insert(books.completed(f"s{number}", requiredEvaluation=needs_evaluation))
    books.evaluate("s6")
    books.wait_for_bills(9)

    code, rows = books.outbox_json("history", "--contract", books.contract)
    assert code == 0
    completed = [row for row in rows if row["event_type"] == "services.session.completed"]
    assert len(completed) == 10
    missing = {
        row["aggregate_id"]: row["billing"] for row in completed if row["billing"] != "billed"
    }
    assert missing == {books.id("s7"): "waiting_evaluation"}

    _, out, err = books.stack.outbox("history", "--contract", books.contract)
    said = out + err
    assert "10 sessions" in said
    assert "9 bills" in said
    assert books.id("s7") in said


def test_scenario_6_a_package_is_billed_when_its_last_session_comes_late_and_out_of_order(
    books: Books,
) -> None:
    for number in (10, 3, 5, 1, 9, 2, 8, 4, 6):
        books.insert(books.course(f"s{number:02}", 10))
    late = books.course("s07", 10, completedAt="2026-06-01T09:00:00+02:00")
    books.insert(books.completed("other"))
    assert [bill["kind"] for bill in books.wait_for_bills(1)] == ["session"]

    event_id = books.insert(late)
    package = books.wait_for_bills(2)[-1]
    assert package["kind"] == "package"
    assert package["amount_minor"] == PACKAGE_MINOR
    assert package["session_ids"] == [books.id(f"s{number:02}") for number in range(1, 11)]
    assert package["occurred_at"] == datetime(2026, 6, 1, 7, tzinfo=UTC)
    assert str(package["source_event_id"]) == event_id


def test_scenario_6_an_evaluation_that_comes_before_the_completion_bills_once_both_are_there(
    books: Books,
) -> None:
    evaluated = books.evaluate("s1")
    wait_until(
        "the evaluation waits",
        lambda: books.status_of(evaluated),
        is_so=lambda status: (
            (status["status"], status["billing"]) == ("published", "waiting_completion")
        ),
    )
    books.insert(books.completed("s1", requiredEvaluation=True, completedAt=NOON))
    (bill,) = books.wait_for_bills(1)
    assert str(bill["source_event_id"]) == evaluated
    assert bill["occurred_at"] == datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_an_event_inserted_by_psql_is_billed(books: Books) -> None:
    statement = f"""
        INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload)
        VALUES ('session', '{books.id("s1")}', 'services.session.completed', '{{
            "sessionId": "{books.id("s1")}", "contractId": "{books.contract}",
            "mentorId": "{books.mentor}", "studentId": "u-1", "sessionType": "single",
            "requiredEvaluation": false, "completedAt": "2026-03-01T12:00:00Z"
        }}') RETURNING id
    """
    psql = [str(installation() / "bin" / "psql"), books.stack.address("app_database_url")]
    typed = subprocess.run(
        [*psql, "--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "--command", statement],
        capture_output=True,
        text=True,
        check=True,
    )
    (bill,) = books.wait_for_bills(1)
    assert str(bill["source_event_id"]) == typed.stdout.strip()
    assert bill["amount_minor"] == SINGLE_MINOR
