"""The verb tail: options, and how it ends."""

import os
import select
import sys
from datetime import datetime
from functools import partial

import click

from operations.command_line import Command, Group
from operations.events.lines import printer
from operations.events.reading import Choice, connect
from operations.events.tailing import Surroundings, Tail
from operations.history.chain import Subject
from operations.instants import Instant
from operations.output import output_option, say
from operations.settings import load_settings
from operations.termination import interrupt_on_termination
from schemas.definitions import load_events

_STATUSES = ("pending", "published", "failed")


@click.group(
    cls=Group,
    examples=("outbox events tail", "outbox events tail --contract c-17 --since 2026-03-01"),
)
def events() -> None:
    """Watch events as applications commit them, and what becomes of them."""


@events.command(
    "tail",
    cls=Command,
    examples=(
        "outbox events tail",
        "outbox events tail --type services.session.completed --mentor m-1",
        "outbox events tail --status failed",
        "outbox events tail --since 2026-03-01T12:00:00Z --limit 100 --output json",
        "outbox events tail --output json | jq -c 'select(.billed_after_ms > 1000)'",
    ),
)
@click.option(
    "--type",
    "types",
    metavar="TYPE",
    type=click.Choice(tuple(load_events())),
    multiple=True,
    help="Of this type, as services.session.completed; repeatable.",
)
@click.option("--aggregate", metavar="ID", help="Of this session, contract or user.")
@click.option("--contract", metavar="ID", help="Of a contract and all its sessions.")
@click.option("--mentor", metavar="ID", help="Of the sessions that a mentor held.")
@click.option(
    "--status",
    "statuses",
    type=click.Choice(_STATUSES),
    multiple=True,
    help="Print a line only where this is the event's status; repeatable.",
)
@click.option(
    "--since",
    type=Instant(),
    metavar="TIME",
    help="Begin with the events created at this time or later; default: now.",
)
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="End once N events were shown."
)
@click.option("--payload", is_flag=True, help="Show what is in them, too.")
@output_option
def tail(  # noqa: PLR0913 - one parameter an option
    *,
    types: tuple[str, ...],
    aggregate: str | None,
    contract: str | None,
    mentor: str | None,
    statuses: tuple[str, ...],
    since: datetime | None,
    limit: int | None,
    payload: bool,
    output: str,
) -> None:
    """Show each event when it is committed, and again whenever its status or billing changes.

    A line says how long after the INSERT the event was seen in Kafka, and its bill posted. As JSON,
    each line is an object; `news` tells a new `event` from the `change` of one.

    An event is shown whenever its transaction commits, however long that was open; only what was
    created before --since is left out. An evaluation belongs to a contract or mentor once the
    completion of its session is there; one that came earlier is not shown later: `outbox history`
    has it. PostgreSQL may restart meanwhile. Ctrl-C ends it with 0.
    """
    if contract is not None and mentor is not None:
        raise click.UsageError("Say one of --contract and --mentor.")
    choice = Choice(
        types=types, aggregate=aggregate, subject=Subject(contract=contract, mentor=mentor)
    )
    around = Surroundings(
        connect=partial(connect, load_settings().need("database_url")),
        show=printer(output, payload=payload),
        pause=_reader_leaves,
        tell=say,
    )
    interrupt_on_termination()
    try:
        Tail(choice, frozenset(statuses), limit).run(around, since)
    except KeyboardInterrupt:
        return
    except BrokenPipeError:
        # What could not be written is not to be tried again when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _reader_leaves(seconds: float) -> bool:
    """Wait for so long; return True at once where nobody reads standard output any more."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)
    return bool(output.poll(seconds * 1000))
