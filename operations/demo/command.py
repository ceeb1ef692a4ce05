"""The verb: a stack, the scenario, the report, the verdict."""

from __future__ import annotations

import contextlib
import random
import sys
from typing import TYPE_CHECKING, Any

import click
import psycopg
from rich.progress import Progress

from infra.local.layout import layout_from_environment
from infra.local.stack import bring_up, take_down
from infra.local.status import RUNNING, process_statuses
from operations.command_line import Command
from operations.demo.footprint import stack_memory_mib
from operations.demo.report import Report
from operations.demo.scenario import Scenario
from operations.failures import PROBLEM
from operations.output import message_console, output_option, say
from operations.reconcile import reconcile_now
from operations.settings import load_settings
from operations.termination import interrupt_on_termination

if TYPE_CHECKING:
    from collections.abc import Iterator

    from operations.demo.scenario import Outcome


@click.command(
    cls=Command,
    examples=(
        "outbox demo",
        "outbox demo --seed 7 --rate 100",
        "outbox demo --no-stack",
    ),
)
@click.option(
    "--seed", type=int, metavar="N", help="Of the workload; default: a new one, which is printed."
)
@click.option(
    "--rate", type=float, metavar="N", default=50.0, show_default=True, help="Events a second."
)
@click.option(
    "--no-stack",
    is_flag=True,
    help="Start nothing: drive the system that the settings name, wherever it runs.",
)
@output_option
@click.pass_context
def demo(ctx: click.Context, seed: int | None, rate: float, output: str, *, no_stack: bool) -> None:
    """Drive sessions through the stack as an application would, and check every bill.

    Uses the local stack that is up, or starts one and stops it again. Exit code 0 only if the
    ledger equals an expectation that is computed from the workload alone.
    """
    interrupt_on_termination()
    seed = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    report = Report(output)
    with contextlib.nullcontext() if no_stack else _stack():
        settings = load_settings()
        with psycopg.connect(settings.need("database_url"), autocommit=True) as owner:
            outcome = _play(owner, seed, rate, report)
            report.show_books(owner, outcome.contracts)
            report.show_comparison(outcome.comparison)
        if not no_stack:
            report.show_memory(stack_memory_mib(layout_from_environment()))
        # Whatever else is on this stack is not the demo's to judge.
        found = reconcile_now(settings, since=outcome.started_at)
        report.show_reconciliation(found)
    report.end()
    if not outcome.comparison.equal or found.verdict != "clean":
        ctx.exit(PROBLEM)


def _play(owner: psycopg.Connection[Any], seed: int, rate: float, report: Report) -> Outcome:
    settings = load_settings()
    say(f"The demo's seed is {seed}.")
    with Progress(
        console=message_console(), transient=True, disable=not sys.stderr.isatty()
    ) as progress:
        bar = progress.add_task("use cases")

        def show(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        scenario = Scenario(
            owner=owner,
            app_database_url=settings.need("app_database_url"),
            brokers=settings.brokers(),
            seed=seed,
            events_per_second=rate,
            tell=say,
            show_progress=show,
            show_step=report.show_step,
        )
        return scenario.play()


@contextlib.contextmanager
def _stack() -> Iterator[None]:
    """Use the stack that is up; else bring one up, and take it down whatever happens."""
    layout = layout_from_environment()
    if any(process.state == RUNNING for process in process_statuses(layout)):
        bring_up(layout, None, say)
        yield
        return
    try:
        for fault in bring_up(layout, None, say):
            say(f"But: {fault}")
        yield
    finally:
        stopped = take_down(layout)
        if stopped:
            say(f"Stopped {', '.join(stopped)}.")
