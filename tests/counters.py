"""By how much the counters of this process have moved."""

from prometheus_client import REGISTRY

Moves = dict[tuple[str, ...], float]


class Moved:
    """Counts from when it was made; a counter is known by its name and the values of its labels."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self._before = self._read()

    def by(self) -> Moves:
        """Return what has moved, and by how much."""
        moved = {key: value - self._before.get(key, 0) for key, value in self._read().items()}
        return {key: value for key, value in moved.items() if value}

    def _read(self) -> Moves:
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in REGISTRY.collect()
            for sample in family.samples
            if sample.name in self._names
        }
