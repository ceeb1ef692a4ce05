"""Many times, summed up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Milliseconds."""

    count: int
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> Quantiles:
        """Sum up; of nothing, zeros."""
        ordered = sorted(milliseconds)
        if not ordered:
            return cls(0, 0.0, 0.0, 0.0, 0.0, 0.0)
        mean = sum(ordered) / len(ordered)
        at = (_at(ordered, share) for share in (0.5, 0.95, 0.99, 1.0))
        return cls(len(ordered), round(mean, 2), *at)


def _at(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed."""
    index = max(0, -int(-share * len(ordered) // 1) - 1)
    return round(ordered[index], 2)
