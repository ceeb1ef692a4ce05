"""The verb."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import click
from rich.progress import Progress

from operations.actions import by_option
from operations.output import as_json, message_console, output_option, print_table, say
from operations.rebuild.following import Teller
from operations.rebuild.replacing import Replacement, replace
from operations.settings import load_settings
from operations.termination import interrupt_on_termination


@click.command()
@click.option(
    "--replace",
    "in_place",
    is_flag=True,
    help="In the place of the state there is: the repair where that cannot be trusted.",
)
@by_option
@output_option
def rebuild(*, in_place: bool, actor: str, output: str) -> None:
    """Make the state tables anew from the events.

    With --replace it takes the place of the state there is. That mends a lost changelog, a
    truncated topic of events, and a topic that was deleted and made anew: events that Kafka no
    longer has are sent again. The ledger is not touched.

    Example: outbox rebuild --replace
    """
    if not in_place:
        raise click.UsageError("Say --replace.")
    interrupt_on_termination()
    settings = load_settings()
    with _teller() as teller:
        done = replace(
            settings.need("database_url"),
            settings.need("kafka_bootstrap_servers"),
            actor,
            teller,
        )
    _print_replacement(done, output)


@contextmanager
def _teller() -> Iterator[Teller]:
    """Tell steps on standard error, with a bar for the one at work on a terminal."""
    with Progress(
        console=message_console(), transient=True, disable=not sys.stderr.isatty()
    ) as progress:
        bar = progress.add_task("", start=True)

        def report(what: str, done: int, total: int) -> None:
            progress.update(bar, description=what, completed=done, total=total)

        yield Teller(say, report)


def _print_replacement(done: Replacement, output: str) -> None:
    if output == "json":
        click.echo(as_json(done))
    else:
        print_table(
            [{"figure": name, "value": value} for name, value in asdict(done).items()],
            ("figure", "value"),
        )
    if done.started:
        say("The state is whole again. Run `outbox reconcile` to see that nothing is missing.")
    else:
        say(
            "Start the stream processors now: they read everything again. Then run `outbox "
            "reconcile`."
        )
