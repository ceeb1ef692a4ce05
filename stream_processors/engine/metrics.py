"""What a process tells Prometheus.

Counters and histograms are defined in the modules whose work they count. A gauge is read when it is
asked for, so that it is never older than the question; what is not known has no sample, since a
zero would say that all is well.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, TypeAlias

from prometheus_client import REGISTRY, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client.metrics_core import Metric

Samples: TypeAlias = "Mapping[tuple[str, ...], float]"
"""Values by the values of a gauge's labels."""

# Otherwise each counter has a second series, which says when its process began; that is said once,
# by process_start_time_seconds.
disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


def gauge(name: str, documentation: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    """Return a gauge with a sample for each tuple of label values; without labels that is ()."""
    family = GaugeMetricFamily(name, documentation, labels=labels)
    for values, sample in samples.items():
        family.add_metric(values, sample)
    return family


def known(value: float | None) -> Samples:
    """Return the sample of a gauge without labels; none where its value is not known."""
    return {} if value is None else {(): value}


class Exposition:
    """All that one process tells: its own gauges, and what its modules have counted.

    process: its name in `outbox status`. is_ready: whether it does its work. read_gauges: its own
    gauges, those included that have no sample now. Both are called for each answer, from any
    thread.
    """

    def __init__(
        self,
        process: str,
        is_ready: Callable[[], bool],
        read_gauges: Callable[[], Iterable[Metric]] = tuple,
    ) -> None:
        self._process = process
        self._is_ready = is_ready
        self._read_gauges = read_gauges

    def collect(self) -> Iterable[Metric]:
        """Yield every metric as it is now."""
        yield gauge(
            "outbox_build_info",
            "1; which process this is, and of which version.",
            ("process", "version"),
            {(self._process, version("billing-outbox")): 1},
        )
        yield gauge(
            "outbox_ready",
            "Whether the process does its work, as its page /health says.",
            (),
            {(): float(self._is_ready())},
        )
        yield from self._read_gauges()
        yield from REGISTRY.collect()

    def render(self) -> bytes:
        """Return the page: Prometheus' text format, in UTF-8; its type is CONTENT_TYPE."""
        return generate_latest(self)
