"""The verb."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

import click
from rich.progress import Progress

from operations.actions import by_option
from operations.command_line import Command
from operations.failures import PROBLEM
from operations.instants import Instant
from operations.output import message_console, output_option, say
from operations.rebuild.following import Teller
from operations.rebuild.past import state_until
from operations.rebuild.proof import prove
from operations.rebuild.replacing import replace
from operations.rebuild.report import print_past, print_proof, print_replacement
from operations.settings import load_settings
from operations.termination import interrupt_on_termination


@click.command(
    cls=Command,
    examples=(
        "outbox rebuild",
        "outbox rebuild --until 2026-03-01T12:00:00Z",
        "outbox rebuild --replace",
        "outbox rebuild --replace --partitions 12",
    ),
)
@click.option(
    "--until",
    type=Instant(),
    metavar="TIME",
    help="Show the state as of this time: what was owed, and what waited for what.",
)
@click.option(
    "--replace",
    "in_place",
    is_flag=True,
    help="In the place of the state there is: the repair where that cannot be trusted.",
)
@click.option(
    "--partitions",
    type=click.IntRange(min=2),
    metavar="N",
    help="With --replace: so many from then on, of what sessions and packages pass through.",
)
@by_option
@output_option
@click.pass_context
def rebuild(
    ctx: click.Context,
    until: datetime | None,
    partitions: int | None,
    *,
    in_place: bool,
    actor: str,
    output: str,
) -> None:
    """Make the state tables anew from the events.

    Beside the running ones, unless --replace is given: the processors read all events again, from
    an empty state, into topics of their own, and what they say is owed is compared with the ledger.
    Exit code 0 if it is the same, 1 if not. Nothing that runs is touched, and nothing is left.

    With --until they read what was recorded by then, and what was owed and waited is shown.

    With --replace the new state takes the place of the one there is. That mends a lost changelog, a
    truncated topic of events, and a topic that was deleted and made anew: events that Kafka no
    longer has are sent again. The ledger is not touched. With --partitions the topic of events is
    made anew with more of them, and all events are sent into it again.
    """
    if in_place and until is not None:
        raise click.UsageError("--replace makes the state of now: leave out --until.")
    if partitions is not None and not in_place:
        raise click.UsageError("--partitions takes the place of the state there is: say --replace.")
    interrupt_on_termination()
    settings = load_settings()
    addresses = (settings.need("database_url"), settings.brokers())
    with _teller() as teller:
        if in_place:
            show: Callable[[], bool] = partial(
                print_replacement, replace(*addresses, actor, teller, partitions), output
            )
        elif until is not None:
            show = partial(print_past, state_until(*addresses, until, teller), output)
        else:
            show = partial(print_proof, prove(*addresses, teller), output)
    if not show():
        ctx.exit(PROBLEM)


@contextmanager
def _teller() -> Iterator[Teller]:
    """Tell steps on standard error, with a bar for the one at work on a terminal."""
    with Progress(
        console=message_console(), transient=True, disable=not sys.stderr.isatty()
    ) as progress:
        bar = progress.add_task("", visible=False)

        def report(what: str, done: int, total: int) -> None:
            progress.update(bar, description=what, completed=done, total=total, visible=True)

        yield Teller(say, report)
