"""`outbox up`, `down`, `env`: the local stack."""

import time
from dataclasses import replace

import click

from infra.local.environment import require_environment
from infra.local.layout import layout_from_environment
from infra.local.shape import MAXIMUM_BROKERS, MAXIMUM_CONNECT_WORKERS, MAXIMUM_WORKERS
from infra.local.stack import bring_up, take_down
from operations.command_line import Command
from operations.failures import PROBLEM
from operations.output import as_json, say
from operations.termination import interrupt_on_termination


@click.command(
    cls=Command,
    examples=(
        "outbox up",
        "outbox up --workers 2",
        "outbox up --brokers 3 --connect-workers 2 --workers 2",
    ),
)
@click.option(
    "--brokers",
    type=click.IntRange(1, MAXIMUM_BROKERS),
    metavar="N",
    help="How many Kafka brokers: 1, 3 or 5; default: as before, 1 at first. A stack that has data "
    "keeps its number.",
)
@click.option(
    "--connect-workers",
    type=click.IntRange(1, MAXIMUM_CONNECT_WORKERS),
    metavar="N",
    help="How many workers of Kafka Connect; default: as before, 1 at first.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, MAXIMUM_WORKERS),
    metavar="N",
    help="How many stream processors; default: as before, 1 at first.",
)
@click.pass_context
def up(
    ctx: click.Context, brokers: int | None, connect_workers: int | None, workers: int | None
) -> None:
    """Start the local stack and wait until every process is healthy.

    What runs already is left alone, so it may be called again, also to change --workers or
    --connect-workers. With 3 brokers each topic has three copies, of which one may fail.
    """
    interrupt_on_termination()
    started = time.monotonic()

    def report(stage: str) -> None:
        say(f"{time.monotonic() - started:6.1f} s  {stage}")

    known = layout_from_environment()
    layout = replace(
        known,
        broker_count=brokers or known.broker_count,
        connect_worker_count=connect_workers or known.connect_worker_count,
    )
    faults = bring_up(layout, workers, report)
    report("the stack is up; `outbox env` tells how to reach it")
    for fault in faults:
        say(f"But: {fault}")
    if faults:
        ctx.exit(PROBLEM)


@click.command(
    cls=Command,
    examples=(
        "outbox down",
        "outbox down --purge",
    ),
)
@click.option("--purge", is_flag=True, help="Delete all data of this stack too.")
def down(*, purge: bool) -> None:
    """Stop every process of the local stack, whatever state it is in. Data stays."""
    stopped = take_down(layout_from_environment(), purge=purge)
    say(f"Stopped {', '.join(stopped)}." if stopped else "Nothing was running.")


@click.command(
    cls=Command,
    examples=(
        "outbox env",
        "outbox env | jq -r .app_database_url",
    ),
)
def env() -> None:
    """Print how to reach the local stack, as JSON; it holds passwords."""
    click.echo(as_json(require_environment(layout_from_environment())))
