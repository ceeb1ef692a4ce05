"""What is read again so that nothing is missed, and what is looked at again until its end."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.events.following import FOLLOWED_MAX, LOOKED_AT_MAX, Following
from operations.events.horizon import Horizon
from operations.events.lines import as_data, latencies

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def look(horizon: Horizon, seconds: float, *writers: str) -> datetime:
    """One look whose reading succeeds; returns from when on it read."""
    reach = horizon.reach(writers)
    horizon.advance(at(seconds), writers)
    return reach


def test_what_a_long_transaction_inserted_is_in_reach_once_it_has_ended() -> None:
    horizon = Horizon(at(0))
    look(horizon, 10)
    look(horizon, 20, "writer")
    for second in range(30, 3_600, 10):
        assert look(horizon, second, "writer") >= at(second - 21)
    assert look(horizon, 3_600) <= at(10)


def test_a_reading_that_failed_is_read_again() -> None:
    horizon = Horizon(at(0))
    look(horizon, 10)
    first = horizon.reach([])
    assert horizon.reach([]) == first


def test_what_was_given_up_is_in_reach_no_more() -> None:
    horizon = Horizon(at(0))
    look(horizon, 10, "writer")
    look(horizon, 100, "writer")
    assert horizon.oldest == at(0)
    horizon.give_up()
    assert horizon.oldest == at(99)
    assert look(horizon, 110) == at(99)


@given(
    st.lists(
        st.tuples(st.floats(0, 60), st.floats(0, 5), st.floats(0, 30)), min_size=1, max_size=20
    ),
    st.lists(st.floats(0.1, 10), min_size=30, max_size=30),
)
def test_every_event_that_can_be_seen_was_in_reach_at_some_look(
    transactions: list[tuple[float, float, float]], pauses: list[float]
) -> None:
    """A transaction takes its lock, inserts some time later, and commits some time after that."""
    written = [
        (str(number), locked, locked + until_insert, locked + until_insert + until_commit)
        for number, (locked, until_insert, until_commit) in enumerate(transactions)
    ]
    horizon = Horizon(at(0))
    now, seen = 0.0, set()
    for pause in pauses:
        now += pause
        holding = [name for name, locked, _, committed in written if locked <= now < committed]
        reach = look(horizon, now, *holding)
        seen |= {
            name
            for name, _, inserted, committed in written
            if committed <= now and at(inserted) >= reach
        }
    assert seen == {name for name, _, _, committed in written if committed <= now}


def row(event: UUID, status: str, billing: str, **more: Any) -> dict[str, Any]:
    known = {"created_at": at(0), "published_at": None, "posted_at": None}
    return {"id": event, "status": status, "billing": billing, **known, **more}


def test_only_a_change_is_news_and_an_end_is_not_looked_at_again() -> None:
    following, event = Following(), UUID(int=1)
    following.begin(event, at(0))
    assert following.note(row(event, "pending", "due"), 0)
    assert not following.note(row(event, "pending", "due"), 1)
    assert following.note(row(event, "published", "billed"), 2)
    assert following.due(1_000) == {}
    assert not following.note(row(event, "published", "billed"), 3)


def test_a_billed_event_without_its_receipt_is_still_followed() -> None:
    following, event = Following(), UUID(int=1)
    following.begin(event, at(0))
    following.note(row(event, "pending", "billed"), 0)
    assert following.due(10) == {event: at(0)}


def test_what_waits_long_is_looked_at_less_and_less_often() -> None:
    following, event = Following(), UUID(int=1)
    following.begin(event, at(0))
    looks, now = 0, 0.0
    while now < 600:
        if following.due(now):
            following.note(row(event, "published", "waiting_package"), now)
            looks += 1
        now += 0.5
    assert looks < 30


def test_one_look_asks_for_so_many_events_and_none_is_left_out_for_good() -> None:
    following = Following()
    events = [UUID(int=number) for number in range(LOOKED_AT_MAX * 3)]
    for event in events:
        following.begin(event, at(0))
    looked_at: set[UUID] = set()
    for _ in range(3):
        due = following.due(0)
        assert len(due) == LOOKED_AT_MAX
        for event in due:
            following.note(row(event, "pending", "due"), 0)
        looked_at |= due.keys()
    assert looked_at == set(events)


def test_of_too_many_the_one_that_was_seen_first_is_given_up() -> None:
    following = Following()
    for number in range(FOLLOWED_MAX):
        assert following.begin(UUID(int=number), at(0)) is None
    assert following.begin(UUID(int=FOLLOWED_MAX), at(0)) == UUID(int=0)


@pytest.mark.parametrize(
    ("billing", "posted_seconds", "billed_after_ms"),
    [("billed", 0.04, 40.0), ("billed", -5.0, None), ("waiting_evaluation", 0.04, None)],
)
def test_latencies_count_from_the_insert_and_a_bill_of_before_has_none(
    billing: str, posted_seconds: float, billed_after_ms: float | None
) -> None:
    event = row(
        UUID(int=1), "published", billing, published_at=at(0.01), posted_at=at(posted_seconds)
    )
    assert latencies(event) == {"published_after_ms": 10.0, "billed_after_ms": billed_after_ms}


def test_a_payload_is_shown_only_where_it_is_asked_for() -> None:
    fields = (
        "event_type", "aggregate_type", "aggregate_id", "ledger_id", "bill_kind", "amount_minor",
        "currency", "retry_count", "missing", "last_error",
    )  # fmt: skip
    event = row(UUID(int=1), "pending", "due", payload={"a": 1}, **dict.fromkeys(fields))
    assert "payload" not in as_data(event, new=True, payload=False)
    assert as_data(event, new=False, payload=True)["payload"] == {"a": 1}
