"""What a person decides goes through the whole pipeline, and stands whatever comes again."""

from datetime import UTC, datetime
from typing import Any

from psycopg.rows import dict_row

from operations.ledger.sealing import seal
from operations.replay.sending import EVENT_COLUMNS, send_events
from tests.end_to_end.books import SINGLE_MINOR, Books

DANA = ("--by", "Dana", "--reason", "agreed by mail")


def reconciled(books: Books, since: datetime) -> dict[str, Any]:
    """What fell due since a test began, once the processors have passed all of it."""
    _, found = books.outbox_json("reconcile", "--since", since.isoformat())
    figures: dict[str, Any] = found
    return figures


def deliver_all_again(books: Books, times: int = 2) -> None:
    """Send every event of this test to its topic again, as a replay does."""
    with books.owner.cursor(row_factory=dict_row) as cursor:
        events = cursor.execute(
            f"SELECT {EVENT_COLUMNS} FROM recorded_events WHERE starts_with(aggregate_id, %s) "
            "ORDER BY created_at, id",
            [books.name],
        ).fetchall()
    brokers = books.stack.brokers
    for _ in range(times):
        assert send_events(brokers, events, "test") == len(events)


def test_a_conflict_is_voided_and_billed_right_afterwards(books: Books) -> None:
    began = datetime.now(UTC)
    wrong = books.insert(books.completed("s1", mentorId=books.id("stranger")))
    books.insert(books.completed("s1"))
    books.wait_for_exception(books.id("s1"), "session_conflict", "failed")
    assert books.bills() == []

    code, done = books.outbox_json("exceptions", "resolve", "--void", wrong, *DANA)
    assert code == 0, done
    statuses = {row["reason"]: row["status"] for row in done["exceptions"]}
    assert statuses == {"session_conflict": "resolved", "price_missing": "resolved"}
    (bill,) = books.wait_for_bills(1)
    assert (bill["session_id"], bill["amount_minor"]) == (books.id("s1"), SINGLE_MINOR)
    voiding = books.rows("SELECT * FROM domain_events WHERE id = %s", done["event_id"])[0]
    assert voiding["event_type"] == "services.session.voided"
    assert reconciled(books, began)["verdict"] == "clean"


def test_a_void_of_what_was_billed_already_says_how_to_put_the_ledger_right(books: Books) -> None:
    event = books.insert(books.completed("s1"))
    (bill,) = books.wait_for_bills(1)
    code, _, said = books.stack.outbox("exceptions", "resolve", "--void", event, *DANA)
    assert code == 1, "a bill stands that is owed no more"
    assert f"outbox ledger reverse {bill['id']}" in said
    books.wait_for_exception(books.id("s1"), "ledger_conflict", "failed")
    books.insert(books.completed("s1", sessionType="course"))
    second = books.insert(books.completed("s1"))
    code, _, said = books.stack.outbox("exceptions", "resolve", "--void", second, *DANA)
    assert f"outbox ledger correct {bill['id']}" in said


def test_a_void_of_a_bill_that_waits_for_its_price_lets_it_rest(books: Books) -> None:
    event = books.insert(books.completed("s1", mentorId=books.id("stranger")))
    books.wait_for_exception(books.id("s1"), "price_missing", "retrying")
    code, done = books.outbox_json("exceptions", "resolve", "--void", event, *DANA)
    assert code == 0, done
    assert [(row["reason"], row["status"]) for row in done["exceptions"]] == [
        ("price_missing", "resolved")
    ]


def test_a_reversal_of_what_was_voided_settles_it_whatever_is_delivered_again(books: Books) -> None:
    event = books.insert(books.completed("s1"))
    (bill,) = books.wait_for_bills(1)
    began = datetime.now(UTC)
    books.stack.outbox("exceptions", "resolve", "--void", event, *DANA)
    code, _, said = books.stack.outbox("ledger", "correct", str(bill["id"]), *DANA)
    assert (code, "outbox ledger reverse" in said) == (1, True)
    code, _, said = books.stack.outbox("ledger", "reverse", str(bill["id"]), *DANA)
    assert code == 0, said
    deliver_all_again(books)
    assert reconciled(books, began)["verdict"] == "clean"
    assert books.wait_for_exception(books.id("s1"), "ledger_conflict", "resolved")


def test_an_excess_session_is_billed_singly_and_stays_so(books: Books) -> None:
    began = datetime.now(UTC)
    for noun in ("s1", "s2"):
        books.insert(books.course(noun, 2))
    books.wait_for_bills(1)
    # Only now: else it may be processed before s2, and be paid with s1.
    books.insert(books.course("s3", 2))
    package = books.id("package")
    exceeded = books.wait_for_exception(package, "package_exceeded", "failed")

    code, (done,) = books.outbox_json(
        "exceptions", "resolve", str(exceeded["id"]), "--bill-singly", *DANA
    )
    assert code == 0, done
    assert (done["session_id"], done["became"]) == (books.id("s3"), "resolved: posted")
    before = books.bills()
    assert [(bill["kind"], bill["amount_minor"]) for bill in before] == [
        ("package", 200_000),
        ("session", SINGLE_MINOR),
    ]
    books.insert(books.course("s3", 2))  # says the same: a later report, on more facts
    deliver_all_again(books)
    found = reconciled(books, began)
    assert (found["verdict"], found["mismatched"], found["decided"]) == ("clean", 0, 1)
    assert books.bills() == before
    assert books.wait_for_exception(package, "package_exceeded", "resolved")


def test_a_wrong_bill_is_corrected_and_stands_when_everything_is_delivered_again(
    books: Books,
) -> None:
    began = datetime.now(UTC)
    event = books.insert(books.completed("s1"))
    (wrong,) = books.wait_for_bills(1)
    books.owner.execute(
        "INSERT INTO mentor_prices VALUES (%s, 'single', 12000, 'USD', '2026-01-01')",
        [books.mentor],
    )
    assert reconciled(books, began)["repriced"] == 1

    code, posted = books.outbox_json("ledger", "correct", str(wrong["id"]), *DANA)
    assert code == 0
    assert [(entry["kind"], entry["amount_minor"]) for entry in posted] == [
        ("reversal", -SINGLE_MINOR),
        ("correction", 12_000),
    ]
    before = books.bills()
    deliver_all_again(books)
    found = reconciled(books, began)
    assert (found["verdict"], found["repriced"]) == ("clean", 0)
    assert books.bills() == before
    assert books.exceptions(books.id("s1")) == []
    assert books.status_of(event)["billing"] == "billed"

    _, listed = books.outbox_json("ledger", "list", "--mentor", books.mentor)
    assert [total["net_minor"] for total in listed["totals"]] == [12_000]
    assert listed["entries"][1]["decided_by"] == "Dana"
    code, out, said = books.stack.outbox("ledger", "correct", str(wrong["id"]), *DANA)
    assert (code, out) == (1, "")
    assert "(Dana: agreed by mail)" in said


def test_what_was_corrected_is_sealed_and_verified(books: Books) -> None:
    books.insert(books.completed("s1"))
    (bill,) = books.wait_for_bills(1)
    assert books.outbox_json("ledger", "reverse", str(bill["id"]), *DANA)[0] == 0
    head = seal(books.owner).head
    code, verified = books.outbox_json("ledger", "verify", "--head", head)
    assert (code, verified["intact"], verified["head"]) == (0, True, head)
    assert verified["sealed"] >= 2
    number, _, digits = head.partition(":")
    another = f"{number}:{'0' * len(digits)}"
    code, verified = books.outbox_json("ledger", "verify", "--head", another)
    assert (code, verified["findings"][0]["finding"]) == (1, "head_differs")
