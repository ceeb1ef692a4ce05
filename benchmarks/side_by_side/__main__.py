"""The command: `python -m benchmarks.side_by_side`, or `make bench`."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import psutil
from rich.progress import Progress

from benchmarks.side_by_side import floors
from benchmarks.side_by_side.footprint import footprint
from benchmarks.side_by_side.insert_cost import insert_cost
from benchmarks.side_by_side.knee import climb, is_sustained
from benchmarks.side_by_side.page import PICTURE, page
from benchmarks.side_by_side.picture import draw
from benchmarks.side_by_side.plan import PATIENCE_SECONDS, warm_up, works_of
from benchmarks.side_by_side.runs import ready
from benchmarks.side_by_side.scale import by_part, by_workers
from benchmarks.side_by_side.stack import PORT_BASE, benchmark_stack
from benchmarks.side_by_side.state import compare_with_state
from benchmarks.side_by_side.systems import PIPELINE, SYSTEMS, installed
from operations.output import message_console, say
from operations.termination import interrupt_on_termination

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.side_by_side.runs import Measured
    from benchmarks.side_by_side.stack import BenchmarkStack

_PAGES = Path("docs/benchmarks")
_NAME = "side-by-side"
_SECTIONS = ("floors", "cost", "systems", "knee", "scale", "footprint", "state")
_DRAIN_EVENTS = 100_000
_STATE_SESSIONS = 1_000_000
_STATE_EVENTS = 80_000
_PAIRS = 5


@click.command()
@click.option(
    "--only",
    type=click.Choice(_SECTIONS),
    multiple=True,
    help="Only this; may be repeated. Default: all.",
)
@click.option("--systems", default="", help="Only systems whose name contains this.")
@click.option("--works", default="", help="Only works whose name contains this.")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    default=_PAGES,
    show_default=True,
    help="Where the page, the picture and the JSON are written.",
)
@click.option("--port-base", default=PORT_BASE, show_default=True, help="Of the stack it starts.")
def main(only: Sequence[str], systems: str, works: str, into: Path, port_base: int) -> None:
    """Put every publisher, and this pipeline, through the same work; about an hour in all."""
    interrupt_on_termination()
    into.mkdir(parents=True, exist_ok=True)
    with Progress(console=message_console(), disable=not sys.stderr.isatty()) as bar:
        bench = _Bench(port_base, systems, works, bar, _origin(only, systems, works))
        for section in only or _SECTIONS:
            bench.carry_out(section)
            # After each, so that an interrupted run leaves what it had.
            _write(bench.result, into)


def _origin(only: Sequence[str], systems: str, works: str) -> dict[str, Any]:
    options = [
        *(f"--only {section}" for section in only),
        *([f"--systems {systems!r}"] if systems else []),
        *([f"--works {works!r}"] if works else []),
    ]
    return {
        "command": " ".join(["python -m benchmarks.side_by_side", *options]),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {
            "cores": os.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
    }


@dataclass(slots=True)
class _Bench:
    """The sections of a run, and what they gave."""

    port_base: int
    systems: str
    works: str
    progress: Progress
    result: dict[str, Any]

    def carry_out(self, section: str) -> None:
        """Measure one section, on a stack of its own."""
        if section == "state":
            self.result |= self._state()
            return
        with benchmark_stack(self.port_base, 1) as stack:
            self.result |= getattr(self, f"_{section}")(stack)

    def _floors(self, stack: BenchmarkStack) -> dict[str, Any]:
        kafka = stack.layout.brokers
        measured = {
            "fsync of a page": floors.fsync(stack.layout.home),
            "a bare insert": floors.bare_insert(stack.address("admin_database_url")),
            "a record through Kafka and back": floors.kafka_round_trip(kafka),
        }
        return {"floors": {name: asdict(each) for name, each in measured.items()}}

    def _cost(self, stack: BenchmarkStack) -> dict[str, Any]:
        stack.postgres_alone()
        measured = insert_cost(stack.address("admin_database_url"))
        return {"insert_cost": {name: asdict(each) for name, each in measured.items()}}

    def _systems(self, stack: BenchmarkStack) -> dict[str, Any]:
        plan = [
            (system, [work for work in works_of(system) if self.works in work.name])
            for system in installed(each for each in SYSTEMS if self.systems in each.name)
        ]
        bar = self.progress.add_task("systems", total=sum(len(works) for _, works in plan))
        runs = []
        for system, works in plan:
            if system is PIPELINE:
                warm_up(stack)
            for work in works:
                # Anew for each: what a system does not master is not to be left to the next work.
                with system.running(stack) as running:
                    ready(running, PATIENCE_SECONDS)
                    runs.append(work.carry_out(stack, running))
                say(_line(runs[-1]))
                self.progress.advance(bar)
        return {"runs": [asdict(each) for each in runs]}

    def _knee(self, stack: BenchmarkStack) -> dict[str, Any]:
        bar = self.progress.add_task("knee", total=None)
        rows = []
        warm_up(stack)
        with PIPELINE.running(stack) as running:
            for rate, measured in climb(running):
                rows.append(_knee_row(rate, measured))
                say(_line(measured))
                self.progress.advance(bar)
        return {"knee": rows}

    def _scale(self, stack: BenchmarkStack) -> dict[str, Any]:
        return {
            "scale": list(by_workers(stack, _DRAIN_EVENTS)),
            "parts": list(by_part(stack, _DRAIN_EVENTS)),
        }

    def _footprint(self, stack: BenchmarkStack) -> dict[str, Any]:
        # An idle stack is one with events: the scheduler and the keeper look at what there is.
        warm_up(stack)
        return {"startup": footprint(stack)}

    def _state(self) -> dict[str, object]:
        bar = self.progress.add_task("state", total=None)

        def report(line: str) -> None:
            say(line)
            self.progress.advance(bar)

        bases = (self.port_base, self.port_base + 100)
        return compare_with_state(bases, _STATE_SESSIONS, _STATE_EVENTS, _PAIRS, report)


def _knee_row(rate: float, measured: Measured) -> dict[str, object]:
    return {
        "ordered per second": rate,
        "inserted per second": measured.inserted_per_second,
        "billed per second": measured.events_per_second,
        "p50 ms": measured.latency.p50_ms,
        "p99 ms": measured.latency.p99_ms,
        "p50 of the first third, ms": measured.thirds_p50_ms[0],
        "p50 of the last third, ms": measured.thirds_p50_ms[-1],
        "sustained": "yes" if is_sustained(rate, measured) else "no",
    }


def _line(measured: Measured) -> str:
    latency = measured.latency
    return (
        f"{measured.system}, {measured.work}: p50 {latency.p50_ms} ms, p99 {latency.p99_ms} ms, "
        f"{measured.events_per_second} events/s, {measured.unbilled} unbilled"
    )


def _write(result: dict[str, Any], into: Path) -> None:
    (into / f"{_NAME}.json").write_text(json.dumps(result) + "\n")
    if result.get("runs"):
        draw(result["runs"], into / PICTURE)
    (into / f"{_NAME}.md").write_text(page(result))


if __name__ == "__main__":
    main()
