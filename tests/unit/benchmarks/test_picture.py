"""What the benchmark's picture shows."""

from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread

from benchmarks.side_by_side.picture import curve, draw
from tests.unit.benchmarks.measured_runs import quantiles, run, stages

PIPELINE = "this pipeline"


def latencies(count: int) -> dict[str, Any]:
    return quantiles(ms=20.0, count=count)


def height(file: Path) -> int:
    return int(imread(file, format="png").shape[0])


def test_a_curve_has_the_quick_bills_first_and_ends_with_the_slowest() -> None:
    drawn = curve(run("a", milliseconds=[40.0, 10.0, 20.0, 30.0, 40.0], latency=latencies(4)))
    assert drawn.milliseconds == [10.0, 20.0, 30.0, 40.0, 40.0]
    assert drawn.shares == [0.125, 0.375, 0.625, 0.875, 0.875]


def test_thinned_latencies_stand_where_they_stood_among_all() -> None:
    every_tenth = [*(float(rank) for rank in range(0, 1_000, 10)), 999.0]
    drawn = curve(run("a", milliseconds=every_tenth, latency=latencies(1_000)))
    assert drawn.shares[50] == pytest.approx(0.5005)
    assert drawn.shares[-1] == pytest.approx(0.9995)


def test_bills_that_never_came_keep_a_curve_from_the_top() -> None:
    drawn = curve(run("a", milliseconds=[10.0, 20.0, 20.0], latency=latencies(2), unbilled=2))
    assert drawn.shares == [0.125, 0.375, 0.375]


def test_a_bill_before_its_event_is_refused_and_not_hidden_by_the_axis() -> None:
    with pytest.raises(ValueError, match=r"a, 1000 at once: a bill was there 2\.5 ms before"):
        curve(run("a", milliseconds=[10.0, -2.5]))


def test_a_run_that_billed_nothing_is_drawn_as_nothing(tmp_path: Path) -> None:
    draw([run("a", milliseconds=[], unbilled=10), run(PIPELINE)], tmp_path / "drawn.png")
    assert height(tmp_path / "drawn.png") > 0


def test_the_stages_stand_below_the_latencies_one_work_each(tmp_path: Path) -> None:
    without = [run("a"), run(PIPELINE)]
    one = [run("a"), run(PIPELINE, stages=stages(ms=10.0))]
    two = [*one, run(PIPELINE, "mix, 500/s", stages=stages(ms=10.0))]
    heights = []
    for number, runs in enumerate((without, one, two)):
        draw(runs, tmp_path / f"{number}.png")
        heights.append(height(tmp_path / f"{number}.png"))
    assert heights == sorted(set(heights))


def test_where_there_is_nothing_to_draw_no_picture_is_written(tmp_path: Path) -> None:
    draw([run("a", "backlog")], tmp_path / "drawn.png")
    assert not (tmp_path / "drawn.png").exists()
