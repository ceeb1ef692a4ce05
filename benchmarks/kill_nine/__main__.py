"""The command: `python -m benchmarks.kill_nine`."""

from __future__ import annotations

import json
import random
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.progress import Progress

from benchmarks.kill_nine.pipeline import APPLICATION, kill_pipeline
from benchmarks.kill_nine.publishers import kill_emitter, kill_polling
from infra.local.environment import require_environment
from infra.local.layout import DEFAULT_PORT_BASE, Layout, project_directory
from infra.local.stack import bring_up, take_down
from infra.local.status import process_statuses
from operations.output import message_console, print_table, say
from operations.termination import interrupt_on_termination

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.kill_nine.outcome import Outcome

_PORT_BASE = DEFAULT_PORT_BASE + 400
_COLUMNS = (
    "system", "killed", "kills", "committed", "lost", "billed_twice", "late", "longest_wait_ms",
    "recovery_ms",
)  # fmt: skip


@click.command()
@click.option("--seed", type=int, help="Of the moments of the kills; default: a new one.")
@click.option("--sessions", default=2_000, show_default=True, help="That complete, in each run.")
@click.option("--kills", default=1, show_default=True, help="In each run.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), help="Write the figures there."
)
@click.option("--port-base", default=_PORT_BASE, show_default=True, help="Of the stack it starts.")
def main(
    seed: int | None, sessions: int, kills: int, json_file: Path | None, port_base: int
) -> None:
    """Kill each process while sessions complete: what is lost, billed twice, and how long it takes.

    The publishers of the report go through as many kills as the pipeline's processes together.
    """
    interrupt_on_termination()
    seed = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    say(f"The seed is {seed}.")
    layout = Layout(project_directory() / f".outbox-kill-nine-{port_base}", port_base)
    take_down(layout, purge=True)
    try:
        bring_up(layout, report=say)
        outcomes = _run_all(layout, random.Random(seed), sessions, kills)  # noqa: S311 - seeded
    finally:
        take_down(layout, purge=True)
    rows = [asdict(each) for each in outcomes]
    print_table(rows, _COLUMNS)
    if json_file is not None:
        json_file.write_text(json.dumps({"seed": seed, "runs": rows}, indent=2) + "\n")
    if any(each.lost or each.billed_twice for each in outcomes if each.system == "this pipeline"):
        sys.exit(1)


def _run_all(
    layout: Layout, randomness: random.Random, sessions: int, kills: int
) -> Sequence[Outcome]:
    addresses = require_environment(layout)
    admin_url = addresses["admin_database_url"] or ""
    victims = [*(process.name for process in process_statuses(layout)), APPLICATION]
    as_many = kills * len(victims)

    def pipeline(victim: str) -> Callable[[], Outcome]:
        return lambda: kill_pipeline(layout, addresses, victim, randomness, sessions, kills)

    runs: list[Callable[[], Outcome]] = [pipeline(victim) for victim in victims]
    runs += [
        lambda: kill_emitter(admin_url, randomness, sessions, as_many),
        lambda: kill_polling(admin_url, randomness, sessions, as_many, ask_first=False),
        lambda: kill_polling(admin_url, randomness, sessions, as_many, ask_first=True),
    ]
    outcomes = []
    with Progress(console=message_console(), disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("runs", total=len(runs))
        for run in runs:
            outcomes.append(run())
            progress.advance(bar)
    return outcomes


if __name__ == "__main__":
    main()
