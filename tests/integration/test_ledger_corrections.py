"""A person takes an entry back or corrects it: new entries, both or neither, once."""

import threading
import uuid
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from operations.failures import ProblemError
from operations.ledger.correcting import correct
from operations.ledger.listing import Choice, chosen_entries
from operations.ledger.replacement import ByHand
from operations.ledger.reversing import Decision, reverse
from stream_processors.billing.payables import ledger_id
from tests.integration.database_rows import column, complete
from tests.integration.ledger_writing import (
    NOON,
    Writer,
    add_price,
    event,
    package_payable,
    session_payable,
)
from tests.postgres_server import PostgresServer

ENTRY = uuid.UUID(ledger_id("session", "session-1"))
DECISION = Decision(actor="Dana", reason="agreed by mail")
AS_SAID = ByHand()


@pytest.fixture
def posted(writer: Writer, owner: psycopg.Connection) -> Writer:
    """Session-1 billed for 100.00 USD by its event."""
    complete(owner, "session-1", sessionType="single")
    add_price(owner)
    writer.post(session_payable())
    return writer


def actions(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT actor, action, subject, reason FROM operator_actions ORDER BY id"
    ).fetchall()


def amounts(entries: list[Any]) -> list[tuple[str, int]]:
    return [(entry["kind"], entry["amount_minor"]) for entry in entries]


def test_a_reversal_takes_an_entry_back_and_says_who_decided_it_and_why(
    posted: Writer, owner: psycopg.Connection
) -> None:
    (reversal,) = reverse(owner, ENTRY, DECISION)
    first, second = posted.entries()
    assert (second["id"], second["reverses"], second["amount_minor"]) == (
        reversal.id,
        first["id"],
        -first["amount_minor"],
    )
    assert actions(owner) == [("Dana", "ledger.reverse", "session-1", "agreed by mail")]
    (total,) = chosen_entries(owner, Choice()).totals
    assert total == {
        "currency": "USD",
        "entries": 2,
        "posted_minor": 10_000,
        "reversed_minor": -10_000,
        "net_minor": 0,
    }


def test_what_was_taken_back_is_called_dismissed_and_what_was_corrected_billed(
    writer: Writer, owner: psycopg.Connection
) -> None:
    completed = complete(owner, "session-1", sessionType="single")
    add_price(owner)
    writer.post(session_payable())
    reverse(owner, ENTRY, DECISION)
    assert column(owner, "billing", completed) == "dismissed"
    correct(owner, ENTRY, DECISION, AS_SAID)
    assert column(owner, "billing", completed) == "billed"


def test_a_package_that_was_taken_back_is_called_dismissed(
    writer: Writer, owner: psycopg.Connection
) -> None:
    add_price(owner, "course")
    terms = {"servicePackageId": "p", "packageCode": "course", "packageTotalSessions": 2}
    first = complete(owner, "s1", **terms)
    second = complete(owner, "s2", **terms)
    beyond = complete(owner, "s3", **terms)
    writer.post(package_payable("p", "s1", "s2"))
    reverse(owner, uuid.UUID(ledger_id("package", "p")), DECISION)
    billing = [column(owner, "billing", event) for event in (first, second, beyond)]
    assert billing == ["dismissed", "dismissed", "not_billable"]


def test_the_same_reversal_again_is_refused_and_names_who_decided(
    posted: Writer, owner: psycopg.Connection
) -> None:
    (reversal,) = reverse(owner, ENTRY, DECISION)
    with pytest.raises(ProblemError) as refused:
        reverse(owner, ENTRY, DECISION)
    said = refused.value.message
    assert f"by reversal {reversal.id} (Dana: agreed by mail)" in said
    assert f"Nothing stands for session session-1: `outbox ledger correct {ENTRY}" in said
    assert len(posted.entries()) == 2
    assert len(actions(owner)) == 1


def test_a_reversal_and_an_unknown_entry_cannot_be_taken_back_or_corrected(
    posted: Writer, owner: psycopg.Connection
) -> None:
    (reversal,) = reverse(owner, ENTRY, DECISION)
    unknown = uuid.uuid4()
    for refuse in (
        lambda entry: reverse(owner, entry, DECISION),
        lambda entry: correct(owner, entry, DECISION, AS_SAID),
    ):
        with pytest.raises(ProblemError, match=f"{reversal.id} is a reversal"):
            refuse(reversal.id)
        with pytest.raises(ProblemError, match=f"no ledger entry {unknown}"):
            refuse(unknown)
    assert len(posted.entries()) == 2


def test_a_correction_bills_at_the_price_in_force_now_and_pays_the_session(
    posted: Writer, owner: psycopg.Connection
) -> None:
    add_price(owner, amount_minor=12_000, effective_from=NOON - timedelta(days=1))
    reversal, correction = correct(owner, ENTRY, DECISION, AS_SAID)
    assert amounts(posted.entries()) == [
        ("session", 10_000),
        ("reversal", -10_000),
        ("correction", 12_000),
    ]
    assert reversal.reverses == ENTRY
    assert correction.price_effective_from == NOON - timedelta(days=1)
    assert correction.session_ids == ["session-1"]
    assert actions(owner) == [("Dana", "ledger.correct", "session-1", "agreed by mail")]
    (total,) = chosen_entries(owner, Choice(session="session-1")).totals
    assert total["net_minor"] == 12_000


def test_a_correction_that_the_ledger_refuses_takes_nothing_back(
    posted: Writer, owner: psycopg.Connection
) -> None:
    add_price(owner, "course", 50_000)
    posted.post(package_payable("p", "s8", "s9"))
    # What the events say now of the package holds session-1, which is paid by itself.
    posted.post(package_payable("p", "s8", "session-1"))
    package = uuid.UUID(ledger_id("package", "p"))
    with pytest.raises(ProblemError, match=f"session-1 is already paid by ledger entry {ENTRY}"):
        correct(owner, package, DECISION, AS_SAID)
    assert len(posted.entries()) == 2
    assert actions(owner) == []
    assert posted.exception()["status"] == "failed"


def test_a_correction_is_corrected_again_and_each_entry_once(
    posted: Writer, owner: psycopg.Connection
) -> None:
    entry = ENTRY
    for amount in (9_000, 8_000, 7_000):
        _, correction = correct(owner, entry, DECISION, ByHand(amount_minor=amount))
        with pytest.raises(ProblemError, match=f"What stands .* is {correction.id}: name that one"):
            correct(owner, entry, DECISION, ByHand(amount_minor=1))
        entry = correction.id
    assert sum(each["amount_minor"] for each in posted.entries()) == 7_000
    assert len(posted.entries()) == 7
    assert len({each["id"] for each in posted.entries()}) == 7


def test_what_is_right_already_is_not_corrected(posted: Writer, owner: psycopg.Connection) -> None:
    with pytest.raises(ProblemError, match="nothing to correct and nothing was posted"):
        correct(owner, ENTRY, DECISION, AS_SAID)
    with pytest.raises(ProblemError, match="nothing to correct"):
        correct(owner, ENTRY, DECISION, ByHand(amount_minor=10_000))
    assert len(posted.entries()) == 1


def test_without_a_price_nothing_is_posted_unless_the_amount_is_given(
    posted: Writer, owner: psycopg.Connection
) -> None:
    another = ByHand(mentor_id="mentor-2")
    with pytest.raises(ProblemError, match="mentor-2 has no price single in force at"):
        correct(owner, ENTRY, DECISION, another)
    assert len(posted.entries()) == 1
    by_hand = ByHand(mentor_id="mentor-2", amount_minor=5_000, currency="EUR")
    _, correction = correct(owner, ENTRY, DECISION, by_hand)
    assert (correction.mentor_id, correction.amount_minor, correction.currency) == (
        "mentor-2",
        5_000,
        "EUR",
    )


def test_a_bill_of_no_known_price_code_asks_for_it(
    writer: Writer, owner: psycopg.Connection
) -> None:
    add_price(owner)
    add_price(owner, "double", 20_000)
    writer.post(session_payable())
    with pytest.raises(ProblemError, match="say --price-code, or --amount-minor"):
        correct(owner, ENTRY, DECISION, AS_SAID)
    _, correction = correct(owner, ENTRY, DECISION, ByHand(price_code="double"))
    assert correction.amount_minor == 20_000


def test_a_correction_says_what_the_open_conflict_says_and_resolves_it(
    posted: Writer, owner: psycopg.Connection
) -> None:
    add_price(owner, mentor_id="mentor-2", amount_minor=11_000)
    posted.post(session_payable(mentor_id="mentor-2", source_event_id=event(2)))
    assert posted.exception()["status"] == "failed"
    _, correction = correct(owner, ENTRY, DECISION, AS_SAID)
    assert (correction.mentor_id, correction.amount_minor) == ("mentor-2", 11_000)
    assert correction.source_event_id == uuid.UUID(event(2))
    row = posted.exception()
    assert (row["status"], row["resolution"]) == ("resolved", "corrected: agreed by mail")


def test_of_two_conflicts_a_person_says_whose_facts_are_right(
    posted: Writer, owner: psycopg.Connection
) -> None:
    for number in (2, 3):
        add_price(owner, mentor_id=f"mentor-{number}")
        posted.post(session_payable(mentor_id=f"mentor-{number}", source_event_id=event(number)))
    with pytest.raises(ProblemError, match="2 open conflicts that say different things"):
        correct(owner, ENTRY, DECISION, AS_SAID)
    with pytest.raises(ProblemError, match="is no open ledger_conflict of session session-1"):
        correct(owner, ENTRY, DECISION, AS_SAID, conflict=uuid.uuid4())
    assert len(posted.entries()) == 1
    chosen = next(each for each in posted.exceptions() if "mentor-3" in str(each["record"]))
    _, correction = correct(owner, ENTRY, DECISION, AS_SAID, conflict=chosen["id"])
    assert correction.mentor_id == "mentor-3"
    assert {each["status"] for each in posted.exceptions()} == {"resolved"}


def test_what_was_taken_back_is_billed_anew_by_a_correction(
    posted: Writer, owner: psycopg.Connection
) -> None:
    add_price(owner, mentor_id="mentor-2")
    posted.post(session_payable(mentor_id="mentor-2", source_event_id=event(2)))
    reverse(owner, ENTRY, DECISION)
    assert posted.exception()["resolution"] == "reversed: agreed by mail"
    (correction,) = correct(owner, ENTRY, DECISION, AS_SAID)
    assert correction.mentor_id == "mentor-2", "the conflict that the reversal settled"
    assert amounts(posted.entries())[-1] == ("correction", 10_000)


def test_a_dry_run_shows_what_would_be_posted_and_posts_nothing(
    posted: Writer, owner: psycopg.Connection
) -> None:
    shown = correct(owner, ENTRY, DECISION, ByHand(amount_minor=1), dry_run=True)
    assert [entry.amount_minor for entry in shown] == [-10_000, 1]
    assert [entry.amount_minor for entry in reverse(owner, ENTRY, DECISION, dry_run=True)] == [
        -10_000
    ]
    assert len(posted.entries()) == 1
    assert actions(owner) == []


def test_of_two_people_who_correct_at_once_one_is_refused(
    posted: Writer, postgres_server: PostgresServer, database: str
) -> None:
    outcomes: list[str] = []
    together = threading.Barrier(2)

    def decide(amount: int) -> None:
        url = postgres_server.url("outbox_owner", database)
        with psycopg.connect(url, autocommit=True) as connection:
            together.wait()
            try:
                correct(connection, ENTRY, DECISION, ByHand(amount_minor=amount))
                outcomes.append("posted")
            except ProblemError as error:
                outcomes.append("refused" if "taken back already" in error.message else "other")

    people = [threading.Thread(target=decide, args=[amount]) for amount in (1_000, 2_000)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert sorted(outcomes) == ["posted", "refused"]
    assert len(posted.entries()) == 3
