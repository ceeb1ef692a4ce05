"""The verb: compare, repair where asked to, say what was found and what to do about it."""

from dataclasses import asdict
from datetime import datetime

import click

from operations.actions import by_option
from operations.command_line import Command
from operations.failures import PROBLEM
from operations.instants import Instant
from operations.output import as_json, output_option, say
from operations.reconcile.reconciling import reconcile_now
from operations.reconcile.repairing import Repair, repair_now
from operations.reconcile.report import Reconciliation
from operations.reconcile.showing import advise, print_reconciliation, print_repair
from operations.settings import load_settings


@click.command(
    cls=Command,
    examples=(
        "outbox reconcile",
        "outbox reconcile --since 2026-03-01 --output json",
        "outbox reconcile --repair",
    ),
)
@click.option(
    "--since",
    type=Instant(),
    metavar="TIME",
    help="Only bills that fell due at this time or later.",
)
@click.option(
    "--until", type=Instant(), metavar="TIME", help="Only bills that fell due before this time."
)
@click.option(
    "--repair",
    is_flag=True,
    help="Send the events of missing bills, and undelivered events, to their topics again.",
)
@by_option
@output_option
@click.pass_context
def reconcile(
    ctx: click.Context,
    *,
    since: datetime | None,
    until: datetime | None,
    repair: bool,
    actor: str,
    output: str,
) -> None:
    """Compare the ledger with what the events say should be in it.

    Safe on live traffic: a bill counts as missing only once the processors have passed every
    event that it needs; until then it is waiting. Exit code 0 if the verdict is clean, 1 if not.

    A bill falls due with the last event that it needs: --since and --until compare that event's
    created_at. For a package that is the event which made its last session billable. With --since,
    only what was touched since then is read.

    --repair never writes to the ledger: what is missing goes through the processors again, and what
    arrives twice is billed once. It shows the figures before and after, and exits by those after.
    """
    if since is not None and until is not None and since >= until:
        raise click.UsageError("--since must be before --until.")
    settings = load_settings()
    if repair:
        repaired = repair_now(settings, since, until, actor)
        found = repaired.after
    else:
        repaired = None
        found = reconcile_now(settings, since, until)
    _print(found, repaired, output)
    if found.verdict != "clean":
        ctx.exit(PROBLEM)


def _print(found: Reconciliation, repaired: Repair | None, output: str) -> None:
    for warning in found.warnings:
        say(f"Warning: {warning}")
    if output == "json" and repaired is None:
        click.echo(as_json(found))
    elif output == "json" and repaired is not None:
        done = {"events_sent": repaired.events_sent, "before": repaired.before}
        click.echo(as_json({**asdict(found), "repair": done}))
    elif repaired is not None:
        print_repair(repaired)
    else:
        print_reconciliation(found)
    if output == "table":
        advise(found, repaired is not None)
