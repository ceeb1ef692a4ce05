import psycopg

from tests.integration.ledger_writing import (
    Writer,
    add_price,
    session_payable,
)


def test_a_retry_of_a_bill_that_is_dismissed_under_another_reason_does_not_say_that_it_was_posted(
    writer: Writer, owner: psycopg.Connection
) -> None:
    writer.post(session_payable())
    owner.execute(
        "INSERT INTO billing_exceptions "
        "(id, reason, status, subject, kind, source_event_id, record, resolution) "
        "SELECT gen_random_uuid(), 'timeout', 'dismissed', subject, kind, source_event_id, record, "
        "'paid by hand' FROM billing_exceptions"
    )
    add_price(owner)
    writer.make_due()
    writer.retry()

    assert writer.entries() == []
    statuses = dict(owner.execute("SELECT reason, status FROM billing_exceptions").fetchall())
    assert statuses == {"price_missing": "failed", "timeout": "dismissed"}
