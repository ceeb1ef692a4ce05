import psycopg
import pytest

from tests.integration.ledger_writing import (
    Writer,
    add_price,
    conflict,
    event,
    inbound,
    package_payable,
    session_payable,
)


def _dismiss(owner: psycopg.Connection, reason: str) -> None:
    owner.execute(
        "UPDATE billing_exceptions SET status = 'dismissed', resolution = 'agreed' "
        "WHERE reason = %s",
        [reason],
    )


def _status(writer: Writer) -> str:
    status: str = writer.exception()["status"]
    return status


def test_a_reported_conflict_has_failed_at_once_under_its_session(writer: Writer) -> None:
    writer.report(conflict())

    exception = writer.exception()
    assert (exception["reason"], exception["status"]) == ("session_conflict", "failed")
    assert (exception["kind"], exception["subject"]) == ("session", "session-1")
    assert (str(exception["source_event_id"]), exception["basis"]) == (event(2), 2)
    assert exception["record"] == {"mentor_id": "mentor-2"}
    assert exception["last_error"] == "it differs"


def test_a_conflict_of_a_package_stands_under_the_package(writer: Writer) -> None:
    writer.report(conflict(reason="package_exceeded", subject="package-1"))

    assert (writer.exception()["kind"], writer.exception()["subject"]) == ("package", "package-1")


def test_a_report_that_comes_again_adds_nothing(writer: Writer) -> None:
    for _ in range(3):
        writer.report(conflict(), conflict())

    assert writer.exception()["attempts"] == 1


def test_a_report_that_rests_on_more_facts_replaces_one_that_rests_on_fewer(
    writer: Writer,
) -> None:
    writer.report(conflict(basis=2), conflict(basis=3, error="now it differs in more"))

    assert writer.exception()["basis"] == 3
    assert writer.exception()["last_error"] == "now it differs in more"


def test_a_report_that_rests_on_fewer_facts_is_stale_and_ignored(writer: Writer) -> None:
    writer.report(conflict(basis=3), conflict(basis=2, error="old"))

    assert (writer.exception()["basis"], writer.exception()["last_error"]) == (3, "it differs")


def test_a_withdrawal_resolves(writer: Writer) -> None:
    writer.report(conflict(), conflict(basis=3, standing=False, error="it agrees"))

    assert _status(writer) == "resolved"
    assert writer.exception()["resolution"] == "withdrawn: it agrees"


def test_a_stale_withdrawal_is_ignored(writer: Writer) -> None:
    writer.report(conflict(basis=3), conflict(basis=2, standing=False))

    assert _status(writer) == "failed"


def test_a_stale_report_does_not_bring_a_withdrawn_exception_back(writer: Writer) -> None:
    writer.report(conflict(basis=2), conflict(basis=4, standing=False), conflict(basis=3))

    assert _status(writer) == "resolved"


def test_each_withdrawal_makes_older_reports_stale(writer: Writer) -> None:
    """A worker that was paused may send what it had decided long before."""
    writer.report(
        conflict(basis=2),
        conflict(basis=4, standing=False, error="it agrees"),
        conflict(basis=7, standing=False, error="again"),
        conflict(basis=6),
    )

    assert _status(writer) == "resolved"
    assert writer.exception()["resolution"] == "withdrawn: it agrees"


def test_more_facts_can_bring_a_withdrawn_exception_back(writer: Writer) -> None:
    writer.report(conflict(basis=2), conflict(basis=3, standing=False), conflict(basis=4))

    assert _status(writer) == "failed"
    assert writer.exception()["resolution"] is None
    assert writer.exception()["resolved_at"] is None


def test_a_withdrawal_of_what_never_stood_is_nothing(writer: Writer) -> None:
    writer.report(conflict(standing=False))

    assert writer.exceptions() == []


@pytest.mark.parametrize("standing", [True, False])
def test_a_dismissed_conflict_stays_dismissed_whatever_is_learned(
    writer: Writer, owner: psycopg.Connection, *, standing: bool
) -> None:
    writer.report(conflict(basis=2))
    _dismiss(owner, "session_conflict")

    writer.report(conflict(basis=9, standing=standing))

    assert (_status(writer), writer.exception()["resolution"]) == ("dismissed", "agreed")


def test_a_new_event_is_an_exception_beside_the_dismissed_one(
    writer: Writer, owner: psycopg.Connection
) -> None:
    writer.report(conflict(2))
    _dismiss(owner, "session_conflict")

    writer.report(conflict(3))

    assert sorted(each["status"] for each in writer.exceptions()) == ["dismissed", "failed"]


def test_a_dismissed_bill_is_not_posted_by_a_redelivery(
    writer: Writer, owner: psycopg.Connection
) -> None:
    writer.post(session_payable())
    _dismiss(owner, "price_missing")
    add_price(owner)

    writer.post(session_payable(), session_payable("session-2"))

    assert [entry["session_id"] for entry in writer.entries()] == ["session-2"]
    assert _status(writer) == "dismissed"


def test_a_dismissed_bill_without_a_price_stays_dismissed(
    writer: Writer, owner: psycopg.Connection
) -> None:
    writer.post(session_payable())
    _dismiss(owner, "price_missing")

    writer.post(session_payable())

    assert _status(writer) == "dismissed"


def test_another_event_brings_a_dismissed_bill_back(
    writer: Writer, owner: psycopg.Connection
) -> None:
    writer.post(session_payable())
    _dismiss(owner, "price_missing")
    add_price(owner)

    writer.post(session_payable(source_event_id=event(2)))

    assert len(writer.entries()) == 1


def test_a_dismissed_conflict_of_a_session_hides_no_missing_price_of_its_package(
    writer: Writer, owner: psycopg.Connection
) -> None:
    """The event of the conflict is also the one that completed the package."""
    writer.report(conflict(2))
    _dismiss(owner, "session_conflict")

    writer.post(package_payable("package-1", "session-1", source_event_id=event(2)))

    assert {each["reason"] for each in writer.exceptions()} == {
        "session_conflict",
        "price_missing",
    }


def test_a_dismissed_excess_does_not_keep_its_package_from_being_billed(
    writer: Writer, owner: psycopg.Connection
) -> None:
    """A member was voided since, so that the session that was one too many became the last."""
    writer.report(conflict(11, reason="package_exceeded", subject="package-1"))
    _dismiss(owner, "package_exceeded")
    add_price(owner, "course")

    writer.post(package_payable("package-1", "session-11", source_event_id=event(11)))

    assert [entry["service_package_id"] for entry in writer.entries()] == ["package-1"]


def test_a_conflict_does_not_keep_the_bill_of_its_session_waiting(
    writer: Writer, owner: psycopg.Connection
) -> None:
    add_price(owner)
    writer.report(conflict(2))

    writer.post(session_payable())

    assert len(writer.entries()) == 1
    assert _status(writer) == "failed"


def test_the_record_of_an_exception_is_what_was_in_kafka(writer: Writer) -> None:
    """An escaped NUL is text like any other; jsonb holds the six characters."""
    writer.report(
        conflict(record=b'{"value": "{\\"a\\": \\"\\\\u0000\\"}", "nul": "\\u0000"}'),
    )

    assert writer.exception()["record"] == {"value": '{"a": "\\u0000"}', "nul": "\ufffd"}


def test_reports_and_payables_of_one_record_are_told_apart(writer: Writer) -> None:
    writer.report(inbound(session_payable(), topic="billing.dead-letters", offset=4))

    assert (writer.exception()["reason"], writer.exception()["subject"]) == (
        "undecodable",
        "billing.dead-letters[0]@4",
    )
