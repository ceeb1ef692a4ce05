"""What a process's metrics page says, as numbers: pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of one look at one process; `taken_at` is in seconds of a monotonic clock."""

    taken_at: float
    values: Mapping[str, Mapping[Labels, float]]

    def total(self, name: str, **labels: str) -> float | None:
        """Return the sum over all samples of a name that have these labels; None for none."""
        wanted = set(labels.items())
        found = [value for have, value in self.values.get(name, {}).items() if wanted <= set(have)]
        return sum(found) if found else None


def read_samples(text: str, taken_at: float) -> Samples:
    """Read Prometheus' text. Raises ValueError where it is none."""
    values: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            values.setdefault(sample.name, {})[labels] = sample.value
    return Samples(taken_at, values)


def rate(name: str, now: Samples | None, before: Samples | None, **labels: str) -> float | None:
    """Return how much a counter grew in a second between two looks; None where it cannot be told.

    A counter that fell belongs to a process that was started anew.
    """
    if now is None or before is None or now.taken_at <= before.taken_at:
        return None
    last, first = now.total(name, **labels), before.total(name, **labels)
    if last is None:
        return None
    grown = last - (first or 0.0)
    return None if grown < 0 else grown / (now.taken_at - before.taken_at)
