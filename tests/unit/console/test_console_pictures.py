from datetime import UTC, datetime, timedelta

from operations.console.chart import HEIGHT, WIDTH, chart
from operations.console.figures import Minute
from operations.console.samples import rate, read_samples

PAGE = """
# TYPE event_processed_total counter
event_processed_total{event_type="a",status="processed"} 10.0
event_processed_total{event_type="b",status="refused"} 5.0
# TYPE outbox_ready gauge
outbox_ready 1.0
"""


def minutes(*latencies: float | None) -> list[Minute]:
    first = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    return [
        Minute(first + timedelta(minutes=at), 0 if each is None else 9, each, each, each)
        for at, each in enumerate(latencies)
    ]


def test_a_greater_latency_is_drawn_higher_and_all_stays_within_the_picture() -> None:
    (line, *_) = chart(minutes(0.000001, 0.02, 0.5, 5_000)).lines
    points = [tuple(map(float, point.split())) for point in line.paths[0][1:].split(" L")]
    heights = [y for _, y in points]
    assert heights == sorted(heights, reverse=True)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)


def test_a_minute_without_a_bill_is_a_gap_and_a_lone_one_a_dot() -> None:
    (line, *_) = chart(minutes(0.02, 0.03, None, 0.02, None, None)).lines
    assert len(line.paths) == 2
    assert len(line.dots) == 1


def test_a_rate_is_what_a_counter_grew_in_a_second() -> None:
    before, now = read_samples(PAGE, 100.0), read_samples(PAGE.replace("10.0", "30.0"), 102.0)
    assert rate("event_processed_total", now, before) == 10.0
    assert rate("event_processed_total", now, before, status="refused") == 0.0


def test_the_rate_of_a_process_that_was_started_anew_is_unknown() -> None:
    before, now = read_samples(PAGE, 100.0), read_samples(PAGE.replace("10.0", "1.0"), 102.0)
    assert rate("event_processed_total", now, before) is None
    assert rate("event_processed_total", now, None) is None
    assert rate("no_such_metric", now, before) is None


def test_samples_are_summed_over_the_labels_that_are_not_asked_for() -> None:
    samples = read_samples(PAGE, 0.0)
    assert samples.total("event_processed_total") == 15.0
    assert samples.total("event_processed_total", event_type="a") == 10.0
    assert samples.total("outbox_ready") == 1.0
    assert samples.total("outbox_ready", process="x") is None
