"""`outbox up`, `down`, `status`, `env`: the local stack."""

import time
from dataclasses import asdict

import click

from infra.local.environment import require_environment
from infra.local.layout import MAXIMUM_WORKERS, layout_from_environment
from infra.local.stack import bring_up, take_down
from infra.local.status import RUNNING, process_statuses
from operations.failures import PROBLEM
from operations.output import as_json, output_option, print_table_or_json, say
from operations.termination import interrupt_on_termination


@click.command()
@click.option(
    "--workers",
    type=click.IntRange(1, MAXIMUM_WORKERS),
    help="How many stream processors; default: as before, 1 at first.",
)
@click.pass_context
def up(ctx: click.Context, workers: int | None) -> None:
    """Start the local stack and wait until every process is healthy.

    What runs already is left alone, so it may be called again, also to change --workers.
    """
    interrupt_on_termination()
    started = time.monotonic()

    def report(stage: str) -> None:
        say(f"{time.monotonic() - started:6.1f} s  {stage}")

    faults = bring_up(layout_from_environment(), workers, report)
    report("the stack is up; `outbox env` tells how to reach it")
    for fault in faults:
        say(f"But: {fault}")
    if faults:
        ctx.exit(PROBLEM)


@click.command()
@click.option("--purge", is_flag=True, help="Delete all data of this stack too.")
def down(*, purge: bool) -> None:
    """Stop every process of the local stack, whatever state it is in. Data stays."""
    stopped = take_down(layout_from_environment(), purge=purge)
    say(f"Stopped {', '.join(stopped)}." if stopped else "Nothing was running.")


@click.command()
@output_option
@click.pass_context
def status(ctx: click.Context, output: str) -> None:
    """Show each process: its id, state, health and address, and what it complains of.

    Exit code 0 if all run and are healthy, 1 otherwise. `outbox doctor` looks closer.
    """
    processes = process_statuses(layout_from_environment())
    columns = ("name", "pid", "state", "healthy", "address", "log")
    print_table_or_json([asdict(process) for process in processes], output, columns)
    for process in processes:
        for complaint in process.complaints:
            say(f"{process.name}: {complaint}")
    if not all(process.healthy and process.state == RUNNING for process in processes):
        ctx.exit(PROBLEM)


@click.command()
def env() -> None:
    """Print how to reach the local stack, as JSON; it holds passwords."""
    click.echo(as_json(require_environment(layout_from_environment())))
