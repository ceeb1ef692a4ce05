"""Retention on a real database: what goes, what stays, and what is still known of what went."""

import psycopg
import pytest
from psycopg import errors

from operations.history.chain import Subject
from operations.history.summary import read_history
from schemas.definitions import load_events
from tests.contract.payload_cases import VALID
from tests.integration.database_rows import (
    complete,
    completed_payload,
    insert_event,
    package_payload,
)
from tests.integration.old_days import (
    OLD_DAYS,
    RETENTION_DAYS,
    is_table,
    maintained,
    make_day,
    noon,
    old_session,
    partition_name,
    recorded,
    tables,
    write_at,
)
from tests.integration.reconciled import (
    insert_price,
    post,
    post_package,
    receive,
    reconciled,
)

pytestmark = pytest.mark.as_migrated


def test_a_day_older_than_the_retention_goes_and_its_receipts_with_it(
    owner: psycopg.Connection,
) -> None:
    old_session(owner, "old")
    complete(owner, "young")
    done = maintained(owner)
    assert [(day.day, day.events) for day in done.dropped] == [(noon(OLD_DAYS).date(), 1)]
    assert done.fine
    assert done.archived == 1
    assert not any(is_table(owner, name) for name in tables(OLD_DAYS))
    assert owner.execute("SELECT count(*) FROM domain_events").fetchone() == (1,)
    assert recorded(owner) == {"old": True, "young": False}


def test_a_day_of_which_something_is_younger_than_the_retention_stays(
    owner: psycopg.Connection,
) -> None:
    old_session(owner, "s", RETENTION_DAYS)
    assert maintained(owner).dropped == []
    assert maintained(owner, retention_days=RETENTION_DAYS - 1).dropped != []


def test_a_day_with_an_undelivered_event_is_kept_and_the_event_named(
    owner: psycopg.Connection,
) -> None:
    old_session(owner, "delivered")
    lost = write_at(owner, noon(OLD_DAYS), completed_payload("lost"))
    old_session(owner, "older", OLD_DAYS + 1)
    done = maintained(owner)
    assert [(day.day, day.reason, day.event_ids) for day in done.kept] == [
        (noon(OLD_DAYS).date(), "undelivered", [lost.id])
    ]
    assert str(lost.id) in done.kept[0].message
    assert not done.fine
    # Nor does it hold up another day.
    assert [day.day for day in done.dropped] == [noon(OLD_DAYS + 1).date()]
    assert recorded(owner) == {"delivered": False, "lost": False, "older": True}
    receive(owner, lost)
    assert maintained(owner).fine
    assert recorded(owner) == {"delivered": True, "lost": True, "older": True}


def test_a_receipt_under_another_topic_does_not_let_a_day_go(owner: psycopg.Connection) -> None:
    make_day(owner, OLD_DAYS)
    event = write_at(owner, noon(OLD_DAYS), completed_payload("s"))
    owner.execute(
        "INSERT INTO domain_event_deliveries "
        '(event_id, event_created_at, topic, partition, "offset") '
        "VALUES (%s, %s, 'events.user', 0, 0)",
        [event.id, event.created_at],
    )
    assert [day.reason for day in maintained(owner).kept] == ["undelivered"]


def test_a_package_whose_tenth_session_comes_after_nine_were_dropped_reconciles(
    owner: psycopg.Connection,
) -> None:
    insert_price(owner, price_code="course", amount_minor=200_000)
    sessions = [f"session-{number}" for number in range(10)]
    for number, session in enumerate(sessions[:9]):
        days_ago = OLD_DAYS + number
        make_day(owner, days_ago)
        receive(owner, write_at(owner, noon(days_ago), package_payload(session, 10)))
    assert len(maintained(owner).dropped) == 9
    assert reconciled(owner).waiting_for == {"package": 1}

    last = insert_event(owner, "services.session.completed", package_payload(sessions[9], 10))
    receive(owner, last)
    assert (reconciled(owner).expected, reconciled(owner).missing) == (1, 1)
    assert column_of(owner, last.id, "billing") == "due"
    post_package(owner, *sessions, source_event_id=last.id)
    found = reconciled(owner)
    assert (found.verdict, found.events, found.billed) == ("clean", 10, 1)
    assert column_of(owner, last.id, "billing") == "billed"


def column_of(connection: psycopg.Connection, event_id: object, name: str) -> object:
    row = connection.execute(
        f"SELECT {name} FROM domain_event_status WHERE id = %s", [event_id]
    ).fetchone()
    assert row is not None
    value: object = row[0]
    return value


def test_an_old_bill_stays_explained_after_its_day_was_dropped(owner: psycopg.Connection) -> None:
    insert_price(owner)
    event = old_session(owner, "session-1")
    entry = post(owner, "session-1", source_event_id=event.id)
    unpaid = old_session(owner, "session-2", requiredEvaluation=True)
    before = read_history(owner, Subject(contract="contract-1")).chain
    assert len(before) == 2
    assert maintained(owner).fine
    assert read_history(owner, Subject(contract="contract-1")).chain == before
    assert before[0]["ledger_id"] == entry
    assert "2 sessions completed, 1 bill" in str(
        read_history(owner, Subject(contract="contract-1")).summary
    )
    assert column_of(owner, unpaid.id, "billing") == "waiting_evaluation"
    assert column_of(owner, event.id, "status") == "published"
    found = reconciled(owner)
    assert (found.expected, found.billed, found.mismatched, found.missing) == (1, 1, 0, 0)
    # What still waits is not forgotten with its day.
    assert found.overdue_waits == 1


def test_a_day_that_was_empty_when_it_was_dropped_is_archived_when_it_comes_again(
    owner: psycopg.Connection,
) -> None:
    make_day(owner, OLD_DAYS)
    assert [day.events for day in maintained(owner).dropped] == [0]
    old_session(owner, "s")
    assert [day.events for day in maintained(owner).dropped] == [1]
    assert recorded(owner) == {"s": True}


def test_a_day_that_is_made_again_after_its_events_were_dropped_is_kept(
    owner: psycopg.Connection,
) -> None:
    old_session(owner, "first")
    assert maintained(owner).fine
    old_session(owner, "second")
    assert [day.reason for day in maintained(owner).kept] == ["dropped_before"]
    assert recorded(owner) == {"first": True, "second": False}


def test_an_archived_completion_is_voided_by_a_decision_of_today(owner: psycopg.Connection) -> None:
    wrong = old_session(owner, "s")
    assert maintained(owner).fine
    voided = {"sessionId": "s", "eventId": str(wrong.id), "reason": "entered twice"}
    receive(owner, insert_event(owner, "services.session.voided", voided))
    assert column_of(owner, wrong.id, "billing") == "not_billable"
    assert reconciled(owner).expected == 0


@pytest.mark.parametrize("event_type", sorted(VALID))
def test_the_archive_keeps_the_fields_of_a_schema_and_no_others(
    owner: psycopg.Connection, event_type: str
) -> None:
    payload = VALID[event_type]
    schema = load_events()[event_type]
    make_day(owner, OLD_DAYS)
    aggregate = (schema.aggregate_type, schema.aggregate_id)
    written = {**payload, "screenshot": "x" * 1000, "notes": {"rating": 5}}
    receive(owner, write_at(owner, noon(OLD_DAYS), written, event_type, aggregate))
    assert maintained(owner).fine
    kept = owner.execute("SELECT event_type, payload FROM archived_events").fetchall()
    assert kept == [(event_type, payload)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE archived_events SET payload = '{}'",
        "DELETE FROM archived_events",
        "TRUNCATE archived_events",
    ],
)
def test_an_archived_event_is_changed_by_nobody(
    admin: psycopg.Connection, owner: psycopg.Connection, statement: str
) -> None:
    old_session(owner, "s")
    assert maintained(owner).fine
    for connection in (owner, admin):
        with pytest.raises(errors.RestrictViolation, match="archived event is never changed"):
            connection.execute(statement)
    admin.execute("SET session_replication_role = replica")
    with pytest.raises(errors.RestrictViolation):
        admin.execute(statement)


def test_partitions_are_made_ahead_for_events_and_receipts(owner: psycopg.Connection) -> None:
    assert maintained(owner).partitions_made == 0
    assert maintained(owner, partitions_ahead_days=16).partitions_made == 4
    assert is_table(owner, partition_name("domain_events", -16))


def test_a_day_ahead_that_cannot_be_made_is_a_warning(owner: psycopg.Connection) -> None:
    write_at(owner, noon(-16), completed_payload("s"))
    done = maintained(owner, partitions_ahead_days=16)
    assert done.partitions_made == 3
    assert partition_name("domain_events", -16) in "".join(done.warnings)


def test_old_events_of_the_default_partition_go_to_the_archive_too(
    owner: psycopg.Connection,
) -> None:
    for number in range(5):
        receive(owner, write_at(owner, noon(OLD_DAYS), completed_payload(f"s-{number}")))
    lost = write_at(owner, noon(OLD_DAYS), completed_payload("lost"))
    receive(owner, write_at(owner, noon(OLD_DAYS - 2), completed_payload("young")))
    done = maintained(owner, batch_rows=2)
    assert (done.strays_moved, done.archived) == (5, 5)
    assert [(day.reason, day.event_ids) for day in done.kept] == [("undelivered", [lost.id])]
    assert recorded(owner) == {
        **{f"s-{number}": True for number in range(5)},
        "lost": False,
        "young": False,
    }
    receive(owner, lost)
    assert maintained(owner).fine
    # The receipts of what went, and no others.
    assert owner.execute("SELECT count(*) FROM domain_event_deliveries").fetchone() == (1,)
    with pytest.raises(errors.RestrictViolation, match="never changed"):
        owner.execute("DELETE FROM domain_events_default")
    with pytest.raises(errors.RestrictViolation, match="never changed"):
        owner.execute("UPDATE domain_events_default SET traceparent = ''")


def test_a_second_receipt_of_an_archived_event_is_swept_and_the_first_stands(
    owner: psycopg.Connection,
) -> None:
    event = old_session(owner, "s")
    assert maintained(owner).fine
    # As the ledger writer does when the event is replayed.
    owner.execute(
        "INSERT INTO domain_event_deliveries "
        '(event_id, event_created_at, topic, partition, "offset") '
        "VALUES (%s, %s, 'events.session', 0, 777) ON CONFLICT DO NOTHING",
        [event.id, event.created_at],
    )
    assert maintained(owner).receipts_swept == 1
    assert owner.execute('SELECT "offset" FROM recorded_events').fetchall() == [(0,)]
