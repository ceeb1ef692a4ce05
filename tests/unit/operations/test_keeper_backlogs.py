"""What the connector keeper calls a backlog, without PostgreSQL and Kafka."""

from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from operations.failures import UnreachableError
from operations.keeper import billing, watch
from operations.keeper.__main__ import health
from operations.keeper.billing import Backlog, Billing, Ends
from operations.keeper.connectors import Keeper
from operations.keeper.delivery import EVENTS_MAX, Remembered
from operations.keeper.watch import BACKLOG_SECONDS, BLIND_SECONDS, Faults, Watch
from operations.reconcile.positions import Offsets, Partition
from stream_processors.groups import (
    DEAD_LETTERS_GROUP,
    PAYABLES_GROUP,
    PROCESSORS_GROUP,
    RECEIPTS_GROUP,
)

TOPIC = ("events.session", 0)


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 1_000.0
        for module in (watch, billing):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.seconds))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def events(*numbers: int) -> set[UUID]:
    return {UUID(int=number) for number in numbers}


def test_an_event_without_a_receipt_is_a_fault_once_it_was_so_for_ten_seconds() -> None:
    remembered = Remembered()

    assert remembered.note(events(1), 0) == {}
    assert remembered.note(events(1, 2), BACKLOG_SECONDS - 1) == {}
    told = remembered.note(events(1, 2), BACKLOG_SECONDS + 4)["delivery"]
    assert f"not seen in Kafka yet: 1, the oldest for 14 s at least, {UUID(int=1)}" in told
    assert "`outbox doctor`" in told
    assert remembered.note(events(2), BACKLOG_SECONDS + 5) == {}


def test_a_service_that_does_not_answer_is_logged_once_and_once_when_it_does_again() -> None:
    answers: list[Faults | Exception] = [{}, OSError("away"), OSError("still away"), {}, {}]

    def look() -> Faults:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    watching = Watch("kafka", look)
    with capture_logs() as lines:
        for _ in range(5):
            watching.look()

    assert [(line["event"], line["service"]) for line in lines] == [
        ("look_failed", "kafka"),
        ("look_succeeds_again", "kafka"),
    ]
    assert lines[0]["error"] == "away"


def test_events_that_follow_each_other_are_no_backlog_however_many() -> None:
    remembered = Remembered()

    for second in range(60):
        assert remembered.note(events(second, second + 1, second + 2), float(second)) == {}


def test_of_a_large_backlog_so_many_are_remembered_and_the_oldest_stay() -> None:
    remembered = Remembered()
    remembered.note(events(1), 0)

    remembered.note(events(*range(2 * EVENTS_MAX)), 5)
    told = remembered.note(events(*range(2 * EVENTS_MAX)), 20)["delivery"]

    assert len(remembered.events) == EVENTS_MAX
    assert f"{EVENTS_MAX} or more, the oldest for 20 s" in told


def test_a_group_is_behind_since_the_first_end_that_it_has_not_passed() -> None:
    ends = Ends()

    assert ends.note(0, {TOPIC: 5}, {TOPIC: 5}) is None
    assert ends.note(2, {TOPIC: 9}, {TOPIC: 5}) == Backlog(4, 0)
    assert ends.note(4, {TOPIC: 20}, {TOPIC: 8}) == Backlog(12, 2)
    assert ends.note(6, {TOPIC: 20}, {TOPIC: 9}) == Backlog(11, 2)
    assert ends.note(8, {TOPIC: 20}, {TOPIC: 20}) is None


def test_a_group_that_is_always_a_little_behind_a_growing_topic_is_in_order() -> None:
    ends = Ends()

    for look in range(100):
        backlog = ends.note(2.0 * look, {TOPIC: 100 * look}, {TOPIC: 100 * look - 90})
        assert backlog is None or backlog.seconds <= 2


def test_a_topic_that_was_made_anew_is_not_waited_for_as_far_as_the_old_one_went() -> None:
    ends = Ends()
    ends.note(0, {TOPIC: 500}, {TOPIC: 400})

    assert ends.note(20, {TOPIC: 2}, {TOPIC: 2}) is None


def test_of_a_long_backlog_the_age_stays_that_of_its_beginning() -> None:
    ends = Ends()

    for look in range(2_000):
        backlog = ends.note(2.0 * look, {TOPIC: 1 + look}, {TOPIC: 0})

    assert backlog == Backlog(2_000, 3_998)
    assert ends.note(4_000, {TOPIC: 2_000}, {TOPIC: 2_000}) is None


class Cluster:
    """Topics that end where a test says, and groups that have come so far."""

    def __init__(self) -> None:
        self.end = 0
        self.passed: dict[str, int] = {}

    def ends(self, topics: Iterable[str]) -> Offsets:
        return {(topic, 0): self.end for topic in topics}

    def committed(self, group: str, partitions: Iterable[Partition]) -> Offsets:
        return dict.fromkeys(partitions, self.passed.get(group, self.end))


@pytest.mark.parametrize(
    "group", [PROCESSORS_GROUP, PAYABLES_GROUP, DEAD_LETTERS_GROUP, RECEIPTS_GROUP]
)
def test_each_of_our_groups_that_stands_still_is_named(clock: Clock, group: str) -> None:
    cluster = Cluster()
    looking = Billing(lambda: cluster)
    cluster.end, cluster.passed = 7, {group: 3}
    assert looking.look() == {}
    clock.seconds += BACKLOG_SECONDS + 2

    told = looking.look()["billing"]

    assert f"{group} has yet to read" in told
    assert "the oldest for 12 s" in told
    assert told.endswith("`outbox doctor`")
    cluster.passed = {}
    assert looking.look() == {}


def test_a_service_that_fails_for_long_is_a_fault_by_itself_and_what_was_known_stays(
    clock: Clock,
) -> None:
    answers: list[Faults | Exception] = [{"billing": "waits"}, UnreachableError("Kafka is away.")]

    def look() -> Faults:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    watching = Watch("kafka", look)
    watching.look()
    watching.look()
    assert watching.faults() == {"billing": "waits"}

    clock.seconds += BLIND_SECONDS + 1

    assert watching.faults()["billing"] == "waits"
    assert "kafka has not told for 7 s what waits" in watching.faults()["kafka"]
    assert "Kafka is away. `outbox doctor`" in watching.faults()["kafka"]
    answers.append({})
    watching.look()
    assert watching.faults() == {}


def test_a_look_that_does_not_come_back_is_a_fault_too(clock: Clock) -> None:
    watching = Watch("postgres", dict)
    clock.seconds += BLIND_SECONDS + 1

    assert "it does not answer" in watching.faults()["postgres"]


def test_one_backlog_makes_the_keeper_unhealthy_and_the_connectors_remedy_comes_last() -> None:
    keeper = Keeper()
    waits, well = Watch("kafka", lambda: {"billing": "`outbox doctor`"}), Watch("postgres", dict)
    assert health(keeper, [well, waits])["ready"] is True

    waits.look()
    keeper.faults["outbox-events"] = "`outbox connectors recover`"

    told = health(keeper, [well, waits])
    assert told["ready"] is False
    faults = told["faults"]
    assert isinstance(faults, Mapping)
    assert list(faults) == ["billing", "outbox-events"]


def test_a_client_is_kept_while_it_answers_and_replaced_once_it_did_not() -> None:
    """One whose broker was fenced may never find it again, though Kafka is there."""
    made: list[Cluster] = []

    def connect() -> Cluster:
        made.append(Cluster())
        return made[-1]

    looking = Billing(connect)
    looking.look()
    looking.look()
    assert len(made) == 1

    made[0].ends = None  # type: ignore[assignment, method-assign]
    with pytest.raises(TypeError):
        looking.look()
    assert looking.look() == {}
    assert len(made) == 2
