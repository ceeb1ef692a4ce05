"""What needs no service of a replay: its options, its pace, its progress, the records it makes."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from click.testing import CliRunner

from operations.failures import ProblemError, UnreachableError
from operations.main import main
from operations.replay.kafka_records import _record, _runs
from operations.replay.pacing import Pace
from operations.replay.progress import Progress, ProgressFile
from operations.replay.selection import Chosen, Page, Selection, fingerprint
from operations.replay.sending import EventSender, Record, event_record
from operations.replay.topic_pages import _is_event
from schemas.brokers import Brokers

if TYPE_CHECKING:
    from confluent_kafka import Message

RECORD = Record("events.session", b"s", b"{}", ())


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--dry-run"],
        ["--all", "--contract", "c"],
        ["--contract", "c", "--session", "s"],
        ["--partition", "0"],
        ["--from-offset", "0"],
        ["--topic", "events.session", "--since", "2026-01-01"],
        ["--topic", "events.session", "--contract", "c"],
        ["--topic", "billing.payables"],
        ["--topic", "events.session", "--from-offset", "5", "--to-offset", "5"],
        ["--since", "2026-01-02", "--until", "2026-01-01"],
        ["--event", "no-uuid"],
        ["--all", "--rate", "0"],
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, ["replay", *arguments])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""


def test_the_pace_is_kept_and_time_that_was_not_used_is_not_made_up_for() -> None:
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    pace = Pace(10, clock=lambda: now, sleep=sleep)
    sent: list[float] = []
    for number in range(30):
        now += 100 if number == 15 else 0
        pace.wait()
        sent.append(now)
    for first, tenth in zip(sent, sent[10:], strict=False):
        assert tenth - first >= 0.95


@pytest.mark.parametrize(
    ("created_at", "text"),
    [
        (datetime(2026, 3, 1, 12, tzinfo=UTC), b"2026-03-01T12:00:00.000000Z"),
        (
            datetime(2026, 3, 1, 1, 0, 0, 120, tzinfo=timezone(timedelta(hours=2))),
            b"2026-02-28T23:00:00.000120Z",
        ),
    ],
)
def test_the_header_created_at_is_the_instant_as_debezium_writes_it(
    created_at: datetime, text: bytes
) -> None:
    event = {
        "id": "e", "aggregate_type": "session", "aggregate_id": "ü", "event_type": "t",
        "payload": "{}", "traceparent": None, "created_at": created_at,
    }  # fmt: skip
    record = event_record(event)
    assert dict(record.headers)["createdAt"] == text
    assert record.key == "ü".encode()


def test_a_sender_without_a_broker_says_so_and_that_nothing_was_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("operations.replay.sending._METADATA_SECONDS", 0.3)
    with (
        pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9 does not answer.* 0 of 0 events"),
        EventSender(Brokers("127.0.0.1:9"), "test") as sender,
    ):
        sender.send(RECORD)


def test_a_sender_stops_at_an_event_that_is_refused_before_it_leaves() -> None:
    too_large = Record("events.session", b"s", b"x" * 3_000_000, (("id", b"1"),))
    sender = EventSender(Brokers("127.0.0.1:9"), "test")
    for _ in range(2):
        with pytest.raises(ProblemError, match=r"refuses an event: .*too large.* 0 of 0 events"):
            sender.send(too_large)


def page(count: int, left_out: int = 0) -> Page:
    chosen = [Chosen("completed", "kafka", RECORD)] * count
    return Page(chosen, {"next": count}, {"twice": left_out} if left_out else {})


def test_progress_is_what_was_stored_last_and_gone_when_it_is_done(tmp_path: Path) -> None:
    progress = Progress({"session": "s"}, "2026-03-01T12:00:00+00:00")
    with ProgressFile(tmp_path, "name") as file:
        assert file.read() is None
        progress.add(page(2, left_out=1))
        file.write(progress)
        progress.add(page(3))
        file.write(progress)
    with ProgressFile(tmp_path, "name") as file:
        stored = file.read()
        assert stored == progress
        assert (stored.sent, stored.mark) == (5, {"next": 3})
        assert (stored.counts, stored.left_out) == ({"completed": {"kafka": 5}}, {"twice": 1})
        file.remove()
        file.remove()
        assert file.read() is None


def test_the_same_replay_runs_once_at_a_time(tmp_path: Path) -> None:
    with (
        ProgressFile(tmp_path, "name"),
        pytest.raises(ProblemError, match="already running"),
        ProgressFile(tmp_path, "name"),
    ):
        pass
    with ProgressFile(tmp_path, "name"):
        pass


def test_damaged_progress_is_named_and_not_taken_for_the_beginning(tmp_path: Path) -> None:
    (tmp_path / "name.json").write_text("{")
    with (
        ProgressFile(tmp_path, "name") as file,
        pytest.raises(ProblemError, match=r"name\.json is damaged"),
    ):
        file.read()


def test_a_replay_is_known_by_what_it_sends_and_where() -> None:
    one = fingerprint(Selection(contract="c"), "here")
    assert one == fingerprint(Selection(contract="c"), "here")
    others = {
        fingerprint(Selection(contract="c"), "there"),
        fingerprint(Selection(session="c"), "here"),
        fingerprint(Selection(contract="c", since=datetime(2026, 1, 1, tzinfo=UTC)), "here"),
        fingerprint(Selection(), "here"),
    }
    assert one not in others
    assert len(others) == 4


def test_a_selection_reads_as_it_was_said() -> None:
    selection = Selection(topic="events.session", from_offset=0, to_offset=5)
    assert str(selection) == "topic events.session, from offset 0, to offset 5"
    assert str(Selection()) == "all events"
    assert json.dumps(selection.given())


def test_a_record_whose_header_names_are_no_text_is_read_and_is_no_event() -> None:
    class Odd:
        def topic(self) -> str:
            return "events.session"

        def key(self) -> bytes:
            return b"k"

        value = key

        def headers(self) -> None:
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    record = _record(cast("Message", Odd()))
    assert record == Record("events.session", b"k", b"k", ())
    assert not _is_event(record)


def test_offsets_near_each_other_are_read_through_together() -> None:
    assert list(_runs([])) == []
    assert list(_runs([7])) == [(7, 8)]
    assert list(_runs([1, 2, 400, 2000, 2001])) == [(1, 401), (2000, 2002)]
