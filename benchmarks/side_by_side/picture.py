"""The picture of a run: how long bills took in each system, and where this pipeline's time goes.

Of latencies the tail matters as much as the middle. So the vertical axis is stretched: every
step up, from 0 % to 90 %, 99 % and 99.9 %, leaves a tenth of the bills.
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from benchmarks.side_by_side.systems import PIPELINE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

TARGET_MS = 100.0
WORKS = ("1000 at once", "singles, 500/s")
"""The works whose distributions are drawn."""
STAGES = {
    "to_kafka": "commit → Kafka",
    "to_payable": "Kafka → payable",
    "to_ledger": "payable → ledger row",
}
"""The stages of this pipeline: as `stages.Stages` names them, and for a reader."""

_INK, _FAINT, _TARGET_COLOUR = "#222222", "#dddddd", "#c62828"
# Of the bar, and of the figure in it.
_STAGE_COLOURS = {
    "to_kafka": ("#0b4f8a", "white"),
    "to_payable": ("#5b9bd0", _INK),
    "to_ledger": ("#b9d8ee", _INK),
}
_PIPELINE_STYLE = {"color": "#0b4f8a", "linestyle": "-", "linewidth": 3.0, "zorder": 5}
# Told apart without colour by their dashes, and by eyes that confuse red and green.
_STYLES: Sequence[Mapping[str, Any]] = (
    {"color": "#777777", "linestyle": (0, (7, 1.5))},
    {"color": "#e08a00", "linestyle": (0, (4, 1.5))},
    {"color": "#00876b", "linestyle": (0, (7, 1.5, 1.5, 1.5))},
    {"color": "#c05a98", "linestyle": (0, (1.2, 1.2))},
    {"color": "#6a3fa0", "linestyle": (0, (7, 1.5, 1.5, 1.5, 1.5, 1.5))},
)
_PERCENTILES = (0.0, 50.0, 90.0, 95.0, 99.0, 99.9)
# A narrower bar has no room for its figure.
_LABEL_SHARE = 0.035


class Curve(NamedTuple):
    """Latencies in milliseconds, ascending, and the share of bills (0 to 1) there by then."""

    milliseconds: Sequence[float]
    shares: Sequence[float]


def draw(runs: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Draw runs, as the JSON has them, into a PNG; where nothing is drawable, none is written."""
    if not is_drawable(runs):
        return
    works = [work for work in WORKS if any(run["work"] == work for run in runs)]
    staged = [run for run in runs if run["stages"] is not None]
    heights = ([5.6] if works else []) + ([1.6 + 0.85 * len(staged)] if staged else [])
    figure = Figure(
        figsize=(13, sum(heights)), dpi=150, layout=ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.12)
    )
    parts = iter(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    if works:
        _draw_latencies(next(parts), works, runs)
    if staged:
        _draw_stages(next(parts), staged)
    figure.savefig(file)


def is_drawable(runs: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether there is anything to draw."""
    return any(run["work"] in WORKS or run["stages"] is not None for run in runs)


def curve(run: Mapping[str, Any]) -> Curve:
    """Return how the bills of a run came in; those that never came keep it below 1.

    The run's latencies may be thinned out evenly by their rank, with the longest kept. Raises
    ValueError where a bill came before its event: a logarithmic axis would not show it.
    """
    ordered = sorted(run["milliseconds"])
    if not ordered:
        return Curve((), ())
    if ordered[0] < 0:
        raise ValueError(
            f"{run['system']}, {run['work']}: a bill was there {-ordered[0]:.1f} ms before its "
            "event, so these times are not what they are called"
        )
    count = run["latency"]["count"]
    thinning = count / max(1, len(ordered) - 1)
    ranks = [min(place * thinning, count - 1) for place in range(len(ordered))]
    # In the middle of its step: the slowest bill of a thousand is not the slowest there can be.
    return Curve(ordered, [(rank + 0.5) / (count + run["unbilled"]) for rank in ranks])


def _draw_latencies(
    part: SubFigure, works: Sequence[str], runs: Sequence[Mapping[str, Any]]
) -> None:
    part.suptitle(
        "From the commit of an event to the commit of its bill", fontsize=15, weight="bold"
    )
    styles = _styles(runs)
    panels = part.subplots(1, len(works), sharex=True, sharey=True, squeeze=False)[0]
    lines = {}
    for axes, work in zip(panels, works, strict=True):
        _draw_axes(axes, work)
        for run in (each for each in runs if each["work"] == work):
            milliseconds, shares = curve(run)
            stretched = [_stretched(share) for share in shares]
            style = styles[run["system"]]
            (lines[run["system"]],) = axes.plot(milliseconds, stretched, **style)
    panels[0].set_ylabel("bills that are in the ledger by then", fontsize=12)
    drawn = [name for name in styles if name in lines]
    part.legend(
        [lines[name] for name in drawn],
        drawn,
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize=12,
        handlelength=4,
    )


def _styles(runs: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return one look for each system, in the order of the runs."""
    looks = cycle(_STYLES)
    names = dict.fromkeys(run["system"] for run in runs)
    return {
        name: _PIPELINE_STYLE if name == PIPELINE.name else {"linewidth": 2.0, **next(looks)}
        for name in names
    }


def _stretched(share: float) -> float:
    """Return where a share of the bills stands on the logarithmic axis: one in how many waits."""
    return 1 / (1 - share)


def _draw_axes(axes: Axes, work: str) -> None:
    axes.set_title(work, fontsize=13, loc="left")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(1, 1_050)
    axes.yaxis.set_major_locator(FixedLocator([_stretched(each / 100) for each in _PERCENTILES]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{100 - 100 / at:.4g} %"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(LogLocator(10, numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: _duration(at)))
    axes.grid(color=_FAINT, linewidth=0.8)
    _tidy(axes)
    axes.axvline(TARGET_MS, color=_TARGET_COLOUR, linewidth=1.6, zorder=1)
    axes.annotate(
        f"target: {TARGET_MS:.0f} ms",
        (TARGET_MS, 1.015),
        xycoords=axes.get_xaxis_transform(),
        color=_TARGET_COLOUR,
        fontsize=12,
        ha="center",
    )


def _duration(milliseconds: float) -> str:
    seconds = milliseconds / 1_000
    return f"{seconds:g} s" if seconds >= 1 else f"{milliseconds:g} ms"


def _draw_stages(part: SubFigure, runs: Sequence[Mapping[str, Any]]) -> None:
    part.suptitle(f"Where the time goes in {PIPELINE.name}", fontsize=15, weight="bold")
    panels = part.subplots(1, 2, sharey=True)
    for axes, quantile in zip(panels, ("p50", "p99"), strict=True):
        _draw_bars(axes, quantile, runs)
    handles, labels = panels[0].get_legend_handles_labels()
    part.legend(
        # What is drawn as a line comes first, and belongs last.
        [*handles[1:], handles[0]],
        [*labels[1:], labels[0]],
        loc="outside lower center",
        ncols=4,
        frameon=False,
        fontsize=12,
    )


def _draw_bars(axes: Axes, quantile: str, runs: Sequence[Mapping[str, Any]]) -> None:
    """Stack the stages of each work, and mark below what the whole way took: it is no sum."""
    places = range(len(runs))
    stacks = [[run["stages"][stage][f"{quantile}_ms"] for run in runs] for stage in STAGES]
    whole = [run["latency"][f"{quantile}_ms"] for run in runs]
    ends = [0.0] * len(runs)
    for (stage, label), widths in zip(STAGES.items(), stacks, strict=True):
        colour, ink = _STAGE_COLOURS[stage]
        bars = axes.barh(places, widths, 0.6, ends, color=colour, label=label)
        room = _LABEL_SHARE * max(*whole, *map(sum, zip(*stacks, strict=True)))
        figures = [f"{width:.0f}" if width > room else "" for width in widths]
        axes.bar_label(bars, figures, label_type="center", color=ink, fontsize=11)
        ends = [end + width for end, width in zip(ends, widths, strict=True)]
    _mark(axes, whole)
    axes.set_title(f"{quantile}, ms", fontsize=13, loc="left")
    axes.set_yticks(places, [run["work"] for run in runs])
    axes.set_ylim(len(runs) - 0.35, -0.5)
    axes.axvline(TARGET_MS, color=_TARGET_COLOUR, linewidth=1.6, zorder=0)
    axes.grid(axis="x", color=_FAINT, linewidth=0.8)
    _tidy(axes)


def _mark(axes: Axes, milliseconds: Sequence[float]) -> None:
    below = [place + 0.38 for place in range(len(milliseconds))]
    axes.plot(milliseconds, below, "^", color=_INK, markersize=8, label="the whole way")
    for at in zip(milliseconds, below, strict=True):
        figure = f"{at[0]:.0f}"
        axes.annotate(figure, at, (7, 0), textcoords="offset points", weight="bold", va="center")


def _tidy(axes: Axes) -> None:
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=11, length=0)
