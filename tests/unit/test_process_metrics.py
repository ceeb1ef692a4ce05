"""What a process tells Prometheus, parsed as Prometheus parses it."""

from collections.abc import Iterable, Mapping

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from stream_processors.engine.health import Pages
from stream_processors.engine.metrics import CONTENT_TYPE, gauge, known


def samples(pages: Pages) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    page = pages.answer("/metrics")
    assert (page.status, page.content_type) == (200, CONTENT_TYPE)
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(page.body.decode()):
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def test_a_process_says_who_it_is_and_what_it_takes_of_the_machine() -> None:
    told = samples(Pages("worker-7", lambda: {"ready": True}))
    (labels,) = told["outbox_build_info"]
    assert dict(labels).keys() == {"process", "version"}
    assert dict(labels)["process"] == "worker-7"
    assert told["process_resident_memory_bytes"][()] > 0


@pytest.mark.parametrize(("ready", "value"), [(True, 1), (False, 0)])
def test_ready_is_what_the_health_page_says_at_that_moment(ready: bool, value: int) -> None:
    health = {"ready": not ready}
    pages = Pages("one", lambda: health)
    health["ready"] = ready
    assert samples(pages)["outbox_ready"] == {(): value}
    assert pages.answer("/health").status == (200 if ready else 503)


def test_a_process_whose_health_cannot_be_told_is_not_ready() -> None:
    def fail() -> Mapping[str, object]:
        raise ZeroDivisionError

    assert samples(Pages("one", fail))["outbox_ready"] == {(): 0}


def test_a_gauge_is_read_when_it_is_asked_for_and_absent_while_it_is_not_known() -> None:
    values: list[float | None] = [3, None, 0]

    def read() -> Iterable[Metric]:
        return [gauge("outbox_things", "Things.", (), known(values.pop(0)))]

    pages = Pages("one", lambda: {"ready": True}, read)
    told = [samples(pages).get("outbox_things") for _ in range(3)]
    assert told == [{(): 3}, None, {(): 0}]


@pytest.mark.parametrize(
    ("health", "status"),
    [
        ({"ready": False}, 200),
        ({"ready": False, "live": True}, 200),
        ({"ready": True, "live": False}, 503),
    ],
)
def test_a_process_lives_unless_it_says_that_only_a_new_start_helps(
    health: dict[str, object], status: int
) -> None:
    assert Pages("one", lambda: health).answer("/live").status == status
