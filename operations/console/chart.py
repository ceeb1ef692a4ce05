"""The latencies of an hour as a picture, in coordinates of an SVG. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from operations.console.figures import Minute

WIDTH, HEIGHT = 960, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 24
_FLOOR_SECONDS, _CEILING_SECONDS = 0.005, 60.0
_TICKS = ((0.01, "10 ms"), (0.1, "100 ms"), (1.0, "1 s"), (10.0, "10 s"))
_LINES = (("p50", "p50_seconds"), ("p95", "p95_seconds"), ("p99", "p99_seconds"))
_MINUTES_A_LABEL = 10


@dataclass(frozen=True, slots=True)
class Line:
    """One percentile. `paths`: SVG paths, one for each stretch without a gap; `dots`: x and y."""

    name: str
    paths: Sequence[str]
    dots: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template draws; `ticks` and `labels` are positions with their text."""

    lines: Sequence[Line]
    ticks: Sequence[tuple[float, str]]
    labels: Sequence[tuple[float, str]]
    left: float
    right: float
    bottom: float
    width: int = WIDTH
    height: int = HEIGHT


def chart(minutes: Sequence[Minute]) -> Chart:
    """Draw the minutes from left to right, latency upward on a logarithmic scale."""
    step = (WIDTH - _LEFT - _RIGHT) / max(len(minutes) - 1, 1)
    across = [_LEFT + index * step for index in range(len(minutes))]
    return Chart(
        lines=[_line(name, field, minutes, across) for name, field in _LINES],
        ticks=[(_height(seconds), text) for seconds, text in _TICKS],
        labels=[
            (x, f"{minute.minute:%H:%M}")
            for x, minute in zip(across, minutes, strict=True)
            if minute.minute.minute % _MINUTES_A_LABEL == 0
        ],
        left=_LEFT,
        right=WIDTH - _RIGHT,
        bottom=HEIGHT - _BOTTOM,
    )


def _line(name: str, field: str, minutes: Sequence[Minute], across: Sequence[float]) -> Line:
    stretches: list[list[tuple[float, float]]] = [[]]
    for x, minute in zip(across, minutes, strict=True):
        seconds: float | None = getattr(minute, field)
        if seconds is None:
            stretches.append([])
        else:
            stretches[-1].append((round(x, 1), _height(seconds)))
    drawn = [stretch for stretch in stretches if stretch]
    return Line(
        name,
        paths=["M" + " L".join(f"{x} {y}" for x, y in stretch) for stretch in drawn],
        dots=[stretch[0] for stretch in drawn if len(stretch) == 1],
    )


def _height(seconds: float) -> float:
    """Return how far from the top a latency lies; what is off the scale lies at its end."""
    bounded = min(max(seconds, _FLOOR_SECONDS), _CEILING_SECONDS)
    part = math.log(bounded / _FLOOR_SECONDS) / math.log(_CEILING_SECONDS / _FLOOR_SECONDS)
    return round(HEIGHT - _BOTTOM - part * (HEIGHT - _TOP - _BOTTOM), 1)
