import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.position import (
    Publication,
    Slot,
    Source,
    format_lsn,
    parse_lsn,
    source_fault,
    starting_offset,
    stored_position,
)

NAME = "outbox_events"


def slot(
    restart: int | None = 100,
    confirmed: int | None = 150,
    current: int = 1000,
    plugin: str = "pgoutput",
    wal_status: str | None = "reserved",
    reason: str | None = None,
) -> Slot:
    return Slot(
        name=NAME,
        plugin=plugin,
        active=False,
        restart_lsn=restart,
        confirmed_flush_lsn=confirmed,
        wal_status=wal_status,
        invalidation_reason=reason,
        current_lsn=current,
    )


WHOLE = Publication(inserts=True, via_root=True, has_table=True)


def position_fault(name: str, found: Slot | None, stored: int | None) -> str | None:
    return source_fault(Source(name, "outbox_publication", found, WHOLE), stored)


def test_a_publication_that_is_gone_is_refused() -> None:
    fault = source_fault(Source(NAME, "outbox_publication", slot(), None), stored=200)
    assert fault is not None
    assert "Publication outbox_publication does not exist" in fault
    assert "outbox connectors recover" in fault


@pytest.mark.parametrize(
    "partial",
    [
        Publication(inserts=False, via_root=True, has_table=True),
        Publication(inserts=True, via_root=False, has_table=True),
        Publication(inserts=True, via_root=True, has_table=False),
    ],
)
def test_a_publication_that_leaves_events_out_is_refused(partial: Publication) -> None:
    fault = source_fault(Source(NAME, "outbox_publication", slot(), partial), stored=200)
    assert fault is not None
    assert "does not publish every insert" in fault


def test_a_slot_that_reaches_back_to_the_stored_position_is_trusted() -> None:
    assert position_fault(NAME, slot(restart=100, confirmed=150), stored=200) is None


def test_a_slot_confirmed_a_little_past_the_stored_offset_is_trusted() -> None:
    # A killed worker has confirmed to PostgreSQL what it had not yet stored in Kafka.
    assert position_fault(NAME, slot(restart=100, confirmed=210), stored=200) is None


def test_a_first_start_on_a_slot_made_before_is_trusted() -> None:
    assert position_fault(NAME, slot(), stored=None) is None


def test_a_first_start_without_a_slot_is_refused_and_says_how_to_get_one() -> None:
    fault = position_fault(NAME, None, stored=None)
    assert fault is not None
    assert "outbox_events does not exist" in fault
    assert "`outbox up`" in fault
    assert "outbox connectors recover" in fault


def test_a_slot_that_is_gone_is_refused_and_names_the_recovery() -> None:
    fault = position_fault(NAME, None, stored=0x16B3748)
    assert fault is not None
    assert "outbox_events is gone" in fault
    assert "0/16B3748" in fault
    assert "outbox connectors recover" in fault


def test_a_slot_made_anew_is_refused() -> None:
    fault = position_fault(NAME, slot(restart=201, confirmed=260), stored=200)
    assert fault is not None
    assert "made anew" in fault
    assert "outbox connectors recover" in fault


def test_a_slot_made_anew_exactly_at_the_stored_position_is_refused() -> None:
    # What was still running when it was made commits before it is consistent, and is not in it.
    assert position_fault(NAME, slot(restart=200, confirmed=260), stored=200) is not None


def test_a_slot_that_begins_and_is_confirmed_at_the_stored_position_is_trusted() -> None:
    assert position_fault(NAME, slot(restart=200, confirmed=200), stored=200) is None


def test_a_stored_position_beyond_the_servers_log_is_refused() -> None:
    fault = position_fault(NAME, slot(current=1000), stored=1001)
    assert fault is not None
    assert "restored or replaced" in fault


@pytest.mark.parametrize(
    ("invalid", "word"),
    [
        (slot(restart=None, wal_status="lost", reason="wal_removed"), "wal_removed"),
        (slot(confirmed=None, wal_status=None), "unknown reason"),
        (slot(wal_status="lost"), "lost"),
    ],
)
@pytest.mark.parametrize("stored", [None, 200])
def test_an_invalidated_slot_is_refused(invalid: Slot, word: str, stored: int | None) -> None:
    fault = position_fault(NAME, invalid, stored)
    assert fault is not None
    assert f"invalidated by the server ({word})" in fault
    assert "outbox connectors recover" in fault


def test_a_slot_of_another_plugin_is_refused() -> None:
    fault = position_fault(NAME, slot(plugin="test_decoding"), stored=None)
    assert fault is not None
    assert "test_decoding" in fault


def test_lag_and_kept_log_are_bytes_behind_the_servers_end() -> None:
    assert slot(restart=100, confirmed=150, current=1000).lag_bytes == 850
    assert slot(restart=100, confirmed=150, current=1000).kept_bytes == 900
    assert slot(confirmed=1001, current=1000).lag_bytes == 0
    assert slot(restart=None).kept_bytes is None


def test_debeziums_position_is_what_it_processed_completely() -> None:
    assert stored_position({"lsn": 7, "lsn_proc": 5, "lsn_commit": 3}) == 5
    assert stored_position({"lsn": 7}) == 7
    assert stored_position({"lsn": "7"}) is None
    assert stored_position({}) is None


def test_a_starting_offset_holds_the_position_that_debezium_checks() -> None:
    assert stored_position(starting_offset(42)) == 42


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=2**64 - 1))
def test_a_log_position_survives_writing_and_reading(position: int) -> None:
    assert parse_lsn(format_lsn(position)) == position


def test_log_positions_are_written_as_postgresql_writes_them() -> None:
    assert format_lsn(0x1_0000_00FF) == "1/FF"
