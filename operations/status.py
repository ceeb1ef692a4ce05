"""`outbox status`: each process of the local stack, once or again and again."""

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import click
from rich.console import Group
from rich.live import Live
from rich.text import Text

from infra.local.layout import layout_from_environment
from infra.local.status import ProcessStatus
from operations.command_line import Command
from operations.failures import PROBLEM
from operations.output import (
    as_json_line,
    output_console,
    output_option,
    print_table_or_json,
    say,
    table_of,
)
from operations.processes import Processes
from operations.settings import load_settings
from operations.termination import interrupt_on_termination

_COLUMNS = ("name", "pid", "state", "healthy", "address")
_WATCH_SECONDS = 2.0


@click.command(
    cls=Command,
    examples=(
        "outbox status",
        "outbox status --watch",
        "outbox status --watch 10 --output json",
    ),
)
@click.option(
    "--watch",
    "watch_seconds",
    metavar="[SECONDS]",
    is_flag=False,
    flag_value=_WATCH_SECONDS,
    type=click.FloatRange(min=0.1),
    help=f"Show it again every {_WATCH_SECONDS:.0f} s, or as many as are said, until Ctrl-C.",
)
@output_option
@click.pass_context
def status(ctx: click.Context, watch_seconds: float | None, output: str) -> None:
    """Show each process: its id, state, health and address, and what it complains of.

    Those of the local stack, or those that OUTBOX_PROCESSES names, which run elsewhere.

    Exit code 0 if all run and are healthy, 1 otherwise. `outbox doctor` looks closer.

    With --watch a terminal shows the table in one place. Off a terminal a new table is printed each
    time; as JSON, one line each time. Ctrl-C ends it with exit code 0.
    """
    processes = Processes(load_settings(), layout_from_environment())
    if watch_seconds is not None:
        interrupt_on_termination()
        try:
            _watch(processes, watch_seconds, output)
        except KeyboardInterrupt:
            return
    found = processes.look()
    print_table_or_json([asdict(process) for process in found], output, _COLUMNS)
    for complaint in _complaints(found):
        say(complaint)
    if not all(process.is_well for process in found):
        ctx.exit(PROBLEM)


def _complaints(processes: Sequence[ProcessStatus]) -> list[str]:
    """Return what the processes complain of, and where to read on about those that are not well."""
    told = [f"{process.name}: {text}" for process in processes for text in process.complaints]
    ill = [process for process in processes if not process.is_well and process.log]
    return told + [f"{process.name}: its log is {process.log}" for process in ill]


def _watch(processes: Processes, seconds: float, output: str) -> None:
    """Show the processes until KeyboardInterrupt."""
    if output == "json":
        while True:
            click.echo(as_json_line([asdict(process) for process in processes.look()]))
            time.sleep(seconds)
    console = output_console()
    if not sys.stdout.isatty():
        while True:
            console.print(_picture(processes.look(), seconds))
            time.sleep(seconds)
    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(_picture(processes.look(), seconds), refresh=True)
            time.sleep(seconds)


def _picture(processes: Sequence[ProcessStatus], seconds: float) -> Group:
    now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
    return Group(
        table_of([asdict(process) for process in processes], _COLUMNS),
        *map(Text, _complaints(processes)),
        Text(f"{now}, every {seconds:g} s", style="dim"),
    )
