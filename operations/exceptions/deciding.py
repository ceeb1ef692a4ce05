"""The verb resolve: a conflict's way out is a person's decision, which the pipeline carries out."""

import time
from dataclasses import asdict
from typing import Any
from uuid import UUID

import click
import psycopg

from operations.actions import by_option
from operations.command_line import Command
from operations.exceptions.billing_singly import bill_singly
from operations.exceptions.command import connect
from operations.exceptions.listing import Choice, chosen_exceptions
from operations.exceptions.retrying import wait_for_attempts
from operations.exceptions.voiding import Void, open_exceptions, void_event
from operations.failures import PROBLEM
from operations.output import as_json, output_option, print_table, print_table_or_json, say
from operations.settings import load_settings
from stream_processors.ledger.exceptions import OPEN_STATUSES

_WAIT_SECONDS = 10.0
_POLL_SECONDS = 0.1
_COLUMNS = ("id", "reason", "subject", "status", "resolution", "last_error")
_RECEIPT = "SELECT FROM recorded_events WHERE id = %s AND published_at IS NOT NULL"
_CONFLICT = """
    SELECT FROM billing_exceptions WHERE reason = 'ledger_conflict' AND source_event_id = %s
"""
# What paid a session before the void, and whether any event still says that it was held.
_PAID = """
    SELECT entry.id, EXISTS (
        SELECT FROM counting_session_event(paid.session_id, 'services.session.completed')
    )
    FROM ledger_entry_sessions AS paid
    JOIN mentor_payable_ledgers AS entry ON entry.id = paid.entry_id
    WHERE paid.session_id = %(session)s
      AND entry.posted_at < (SELECT created_at FROM recorded_events WHERE id = %(event)s)
      AND NOT EXISTS (SELECT FROM mentor_payable_ledgers WHERE reverses = entry.id)
"""


@click.command(
    cls=Command,
    examples=(
        'outbox exceptions resolve --void EVENT --reason "entered twice"',
        'outbox exceptions resolve ID --bill-singly --reason "an extra lesson"',
    ),
)
@click.argument("exception_id", metavar="[ID]", required=False, type=click.UUID)
@click.option("--void", "event", metavar="EVENT", type=click.UUID, help="This event is wrong.")
@click.option(
    "--bill-singly", "singly", is_flag=True, help="Bill a session beyond its package by itself."
)
@click.option("--reason", metavar="TEXT", required=True, help="Why; it is kept with the decision.")
@by_option
@output_option
@click.pass_context
def resolve(  # noqa: PLR0913 - one parameter an option
    ctx: click.Context,
    *,
    exception_id: UUID | None,
    event: UUID | None,
    singly: bool,
    reason: str,
    actor: str,
    output: str,
) -> None:
    """Decide a conflict: void the event that is wrong, or bill an excess session by itself.

    A void is an event as any other (services.session.voided): everything is decided anew as if the
    voided one were absent. Waits up to 10 s and prints what became of the exceptions; exit code 1
    if one is still open.
    """
    if (event is None) == (not singly):
        raise click.UsageError("Say --void EVENT, or ID --bill-singly; one of the two.")
    if singly != (exception_id is not None):
        raise click.UsageError(
            "--bill-singly is for the ID of an exception; --void names the event and no exception."
        )
    if not reason.strip():
        raise click.UsageError("--reason must say why.")
    with connect(load_settings()) as connection:
        if exception_id is not None:
            done = _bill(connection, exception_id, actor, reason.strip(), output)
        elif event is not None:
            void = void_event(connection, event, actor=actor, reason=reason.strip())
            done = _carried_out(connection, void, output)
    if not done:
        ctx.exit(PROBLEM)


def _bill(
    connection: psycopg.Connection[Any], exception_id: UUID, actor: str, reason: str, output: str
) -> bool:
    """Print what became of the exception; return whether the session is billed."""
    payable, attempts = bill_singly(connection, exception_id, actor=actor, reason=reason)
    (attempt,) = wait_for_attempts(connection, {exception_id: attempts}, [exception_id])
    row = {**asdict(attempt), "session_id": payable.session_id, "ledger_id": payable.ledger_id}
    print_table_or_json([row], output)
    if not attempt.succeeded:
        say(
            f"It is decided, and not posted yet. After its cause is mended: `outbox exceptions "
            f"retry {exception_id}`."
        )
    return attempt.succeeded


def _carried_out(connection: psycopg.Connection[Any], void: Void, output: str) -> bool:
    """Wait for the pipeline, print what is open or was resolved; return whether nothing is open."""
    say(
        f"Event {void.voided_event_id} of session {void.session_id} counts as absent: event "
        f"{void.event_id} says so."
    )
    paid = {"session": void.session_id, "event": void.event_id}
    bills = connection.execute(_PAID, paid).fetchall()
    _wait(connection, void, conflict=any(not still_held for _, still_held in bills))
    concerned = {*void.exceptions, *open_exceptions(connection, void.session_id)}
    rows = chosen_exceptions(connection, Choice(ids=sorted(concerned))) if concerned else []
    if output == "json":
        click.echo(as_json({**asdict(void), "exceptions": rows}))
    elif rows:
        print_table(rows, _COLUMNS)
    else:
        say("No exception is about this session.")
    for entry, still_held in bills:
        say(_paid_before(void.session_id, entry, still_held=still_held))
    return all(row["status"] not in OPEN_STATUSES for row in rows)


def _paid_before(session: str, entry: UUID, *, still_held: bool) -> str:
    """Say how to put right what was billed before: the ledger never changes by itself."""
    if not still_held:
        return (
            f"Ledger entry {entry} still pays session {session}, which no event says was held: "
            f"take it back with `outbox ledger reverse {entry} --reason …`."
        )
    return (
        f"Session {session} was paid before, by ledger entry {entry}. If the events say otherwise "
        f"now, a ledger_conflict appears: `outbox exceptions list --status failed`; then `outbox "
        f"ledger correct {entry} --reason …` bills what they say."
    )


def _wait(connection: psycopg.Connection[Any], void: Void, *, conflict: bool) -> None:
    """Wait until the void was delivered and no exception of before is open, or 10 s.

    `conflict`: the ledger pays what is owed no more, so that one about that is to come.
    """
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        delivered = connection.execute(_RECEIPT, [void.event_id]).fetchone() is not None
        still_open = {*void.exceptions} & {*open_exceptions(connection, void.session_id)}
        raised = connection.execute(_CONFLICT, [void.event_id]).fetchone() is not None
        if delivered and not still_open and raised >= conflict:
            return
        time.sleep(_POLL_SECONDS)
    say("Not all is decided anew after 10 s: see whether the processors run (`outbox status`).")
