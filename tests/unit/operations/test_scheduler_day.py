"""The whole day, read as often as its share allows; and what the minute may take beside it."""

from pathlib import Path

import pytest

from tests.unit.scheduled_pipeline import DAY_SECONDS, Pipeline
from tests.unit.timetables import after


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return Pipeline(tmp_path / "state")


def test_what_was_committed_after_the_overlap_is_found_by_the_whole_day(
    pipeline: Pipeline,
) -> None:
    scheduler, whole = pipeline.start(), pipeline.start_day()
    scheduler.run()
    scheduler.run()
    pipeline.fault = ("undelivered", pipeline.now - 3_600)
    scheduler.run()
    assert not scheduler.alarms
    assert whole.run() == DAY_SECONDS
    assert whole.alarms


def test_where_the_whole_day_is_little_it_is_read_every_minute_also_after_a_fault(
    pipeline: Pipeline,
) -> None:
    pipeline.works_seconds = 0.5
    whole = pipeline.start_day()
    whole.run()
    for fault in (None, ("missing", pipeline.now), None):
        pipeline.fault = fault
        assert after(whole.timetable, whole.task) == 60
        assert whole.run() == DAY_SECONDS
        assert whole.alarms is (fault is not None)


@pytest.mark.parametrize("fault", [None, "missing"])
def test_where_the_whole_day_is_much_it_takes_no_more_than_its_share(
    pipeline: Pipeline, fault: str | None
) -> None:
    pipeline.works_seconds = 100
    pipeline.fault = None if fault is None else (fault, pipeline.now)
    whole = pipeline.start_day()
    whole.run()
    assert after(whole.timetable, whole.task) == 100 / 0.05


def test_a_minute_that_reads_the_same_again_takes_a_fifth_of_the_time_at_most(
    pipeline: Pipeline,
) -> None:
    pipeline.works_seconds = 30
    pipeline.behind = True
    scheduler = pipeline.start()
    scheduler.run()
    assert after(scheduler.timetable, scheduler.task) == 150
    # That leaves room enough for the verdict that is due within 300 s.
    scheduler.run()
    assert scheduler.timetable.health()["ready"] is True


def test_what_was_caught_up_with_is_no_reason_to_rest(pipeline: Pipeline) -> None:
    pipeline.works_seconds = 100
    scheduler = pipeline.start()
    scheduler.run()
    assert after(scheduler.timetable, scheduler.task) == 60


def test_what_was_found_is_recorded_for_the_console(pipeline: Pipeline) -> None:
    whole = pipeline.start_day()
    whole.run()
    pipeline.fault = ("missing", pipeline.now)
    whole.run()
    assert pipeline.recorded == [
        ("reconcile-day", DAY_SECONDS, "clean"),
        ("reconcile-day", DAY_SECONDS, "roll_back"),
    ]


def test_what_cannot_be_recorded_is_told_and_is_judged_all_the_same(pipeline: Pipeline) -> None:
    pipeline.read_only = True
    whole = pipeline.start_day()
    whole.run()
    health = whole.timetable.health()
    assert health["ready"] is True
    (notice,) = dict(health["notices"]).values()
    assert "are as they should be" in notice
    assert "could not be recorded" in notice
    assert "read-only transaction" in notice
    pipeline.fault = ("missing", pipeline.now)
    whole.run()
    assert whole.alarms
    pipeline.read_only, pipeline.fault = False, None
    whole.run()
    assert whole.timetable.health()["notices"] == {}
