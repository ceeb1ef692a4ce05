"""What each minute reads: it moves on only from where everything was judged, and nothing alarms."""

import random
from pathlib import Path

import pytest

from operations.scheduler.tasks import reconciling_day
from tests.unit.scheduled_pipeline import DAY_SECONDS, GRACE_SECONDS, OVERLAP_SECONDS, Pipeline


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return Pipeline(tmp_path / "state")


def test_the_first_run_of_all_reads_the_whole_day(pipeline: Pipeline) -> None:
    assert pipeline.start().run() == DAY_SECONDS


def test_after_a_complete_and_clean_verdict_only_what_is_new_is_read_and_the_overlap(
    pipeline: Pipeline,
) -> None:
    scheduler = pipeline.start()
    scheduler.run()
    for _ in range(5):
        assert scheduler.run() == 60 + GRACE_SECONDS + OVERLAP_SECONDS


def test_a_fault_that_is_not_repaired_is_found_again_by_every_run_and_stays_red(
    pipeline: Pipeline,
) -> None:
    scheduler = pipeline.start()
    scheduler.run()
    pipeline.fault = ("missing", pipeline.now)
    for _ in range(600):
        scheduler.run()
        assert scheduler.alarms
    assert scheduler.timetable.health()["ready"] is False

    pipeline.fault = None
    scheduler.run()
    assert not scheduler.alarms
    assert scheduler.timetable.health()["ready"] is True
    assert scheduler.run() == 60 + GRACE_SECONDS + OVERLAP_SECONDS


@pytest.mark.parametrize("offender", ["missing", "undelivered", "duplicate", "mismatched"])
@pytest.mark.parametrize("earlier_seconds", [0, 30, 69])
def test_a_fault_of_the_last_minute_is_found_by_the_next_run(
    pipeline: Pipeline, offender: str, earlier_seconds: int
) -> None:
    scheduler = pipeline.start()
    scheduler.run()
    pipeline.fault = (offender, pipeline.now - earlier_seconds)
    scheduler.run()
    assert scheduler.alarms


@pytest.mark.parametrize("reason", ["behind", "still"])
def test_a_stage_that_lags_or_stands_still_holds_the_window(
    pipeline: Pipeline, reason: str
) -> None:
    scheduler = pipeline.start()
    scheduler.run()
    scheduler.run()
    held = pipeline.read_since[-1]
    setattr(pipeline, reason, True)
    scheduler.run()
    once = pipeline.read_since[-1]
    for _ in range(30):
        scheduler.run()
    assert pipeline.read_since[-1] == once == held + 60
    # What was lost meanwhile is found, for all of it is read once more.
    setattr(pipeline, reason, False)
    pipeline.fault = ("missing", once + 100)
    scheduler.run()
    assert scheduler.alarms


def test_it_is_unhealthy_once_nothing_could_be_judged_for_five_minutes(pipeline: Pipeline) -> None:
    scheduler = pipeline.start()
    scheduler.run()
    pipeline.behind = True
    scheduler.run()
    assert scheduler.timetable.health()["ready"] is True
    for _ in range(5):
        scheduler.run()
    health = scheduler.timetable.health()
    assert health["ready"] is False
    assert "nothing of it could be judged" in str(health["faults"])


def test_what_is_still_on_its_way_is_judged_by_a_later_run_however_old_it_is(
    pipeline: Pipeline,
) -> None:
    scheduler = pipeline.start()
    scheduler.run()
    due_at = pipeline.undecided_since = pipeline.now
    for _ in range(30):
        scheduler.run()
    pipeline.undecided_since, pipeline.fault = None, ("missing", due_at)
    scheduler.run()
    assert scheduler.alarms


def test_a_run_that_failed_leaves_nothing_out(pipeline: Pipeline) -> None:
    scheduler = pipeline.start()
    scheduler.run()
    scheduler.run()
    lost_at = pipeline.now
    pipeline.broken = True
    for _ in range(10):
        scheduler.run()
    pipeline.broken, pipeline.fault = False, ("missing", lost_at)
    scheduler.run()
    assert scheduler.alarms


def test_a_failed_bill_is_for_a_person_and_does_not_make_every_run_read_more(
    pipeline: Pipeline,
) -> None:
    scheduler, whole = pipeline.start(), pipeline.start(reconciling_day)
    scheduler.run()
    pipeline.fault = ("failed", pipeline.now)
    scheduler.run()
    assert scheduler.run() == 60 + GRACE_SECONDS + OVERLAP_SECONDS
    # The whole day tells it until it is decided.
    for _ in range(10):
        whole.run()
        assert "1 failed" in str(whole.timetable.health()["notices"])


def test_the_window_never_reaches_back_for_longer_than_a_day(pipeline: Pipeline) -> None:
    scheduler = pipeline.start()
    scheduler.run()
    pipeline.behind = True
    scheduler.run()
    pipeline.clock.pass_by(2 * DAY_SECONDS)
    assert scheduler.run() == DAY_SECONDS


def test_the_beginning_of_the_window_never_moves_back(pipeline: Pipeline) -> None:
    scheduler = pipeline.start()
    scheduler.run()
    scheduler.run()
    pipeline.undecided_since = pipeline.now - 65
    for _ in range(5):
        scheduler.run()
    assert pipeline.read_since == sorted(pipeline.read_since)


def test_a_restart_reads_on_from_where_everything_had_been_judged(pipeline: Pipeline) -> None:
    scheduler = pipeline.start()
    scheduler.run()
    judged_at = pipeline.now
    pipeline.behind = True
    scheduler.run()
    pipeline.clock.pass_by(1_000)
    pipeline.behind, pipeline.fault = False, ("missing", judged_at)
    restarted = pipeline.start()
    restarted.run()
    assert restarted.alarms
    assert pipeline.read_since[-1] == judged_at - GRACE_SECONDS - OVERLAP_SECONDS


@pytest.mark.parametrize("text", ["", "{}"])
def test_a_restart_that_knows_of_no_verdict_reads_the_whole_day(
    pipeline: Pipeline, text: str
) -> None:
    pipeline.start().run()
    (pipeline.directory / "runs.json").write_text(text)
    assert pipeline.start().run() == DAY_SECONDS


def test_after_a_clock_was_set_back_the_whole_day_is_read(pipeline: Pipeline) -> None:
    scheduler = pipeline.start()
    scheduler.run()
    pipeline.clock.wall_ahead -= 3_600
    assert scheduler.run() == DAY_SECONDS


def test_whatever_is_committed_within_the_overlap_is_read_once_it_can_be_seen(
    pipeline: Pipeline,
) -> None:
    chance = random.Random(7)
    scheduler = pipeline.start()
    scheduler.run()
    unseen: list[tuple[float, float]] = []
    for _ in range(300):
        now = pipeline.now
        for _ in range(10):
            created_at = now + chance.uniform(0, 60)
            unseen.append((created_at, created_at + chance.uniform(0, OVERLAP_SECONDS)))
        pipeline.behind = chance.random() < 0.2
        pipeline.broken = chance.random() < 0.2
        pipeline.undecided_since = now - chance.uniform(0, 300)
        scheduler.run()
        if pipeline.broken:
            continue
        began, now = pipeline.read_since[-1], pipeline.now
        read = [event for event in unseen if event[0] >= began and event[1] <= now]
        late = [event for event in unseen if event not in read and event[1] <= now]
        assert late == []
        unseen = [event for event in unseen if event not in read]
