"""The verbs list, show, retry and dismiss; resolve is in deciding.py."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, BinaryIO
from uuid import UUID

import click
import psycopg

from operations.actions import by_option
from operations.command_line import Group
from operations.exceptions.dismissing import dismiss_exceptions
from operations.exceptions.listing import Choice, chosen_exceptions
from operations.exceptions.retrying import Attempt, retry_and_wait, retry_record
from operations.exceptions.ways_out import WayOut, is_of_an_event, refusal, way_out
from operations.failures import PROBLEM, ProblemError
from operations.output import as_json, output_option, print_table_or_json, say
from operations.settings import Settings, load_settings
from stream_processors.ledger.exceptions import OPEN_STATUSES, REASONS, STATUSES

_REASONS_TEXT = ", ".join(REASONS)
_COLUMNS = (
    "id", "reason", "status", "subject", "source_event_id", "attempts", "first_failed_at",
    "overdue", "last_error",
)  # fmt: skip


def connect(settings: Settings) -> psycopg.Connection:
    """Connect as the owner of the tables."""
    return psycopg.connect(settings.need("database_url"), autocommit=True, connect_timeout=10)


@click.group(
    cls=Group, examples=("outbox exceptions list --status failed", "outbox exceptions retry --all")
)
def exceptions() -> None:
    """Show what could not be billed; try it again, decide it, or dismiss it."""


@exceptions.command(
    "list",
    examples=(
        "outbox exceptions list",
        "outbox exceptions list --status failed --reason price_missing",
        "outbox exceptions list --older-than-24h --output json",
    ),
)
@click.option(
    "--status",
    "statuses",
    type=click.Choice(STATUSES),
    multiple=True,
    help="Only these; repeatable.",
)
@click.option(
    "--reason",
    "reasons",
    metavar="REASON",
    type=click.Choice(REASONS),
    multiple=True,
    help=f"Only for these reasons; repeatable. One of {_REASONS_TEXT}.",
)
@click.option(
    "--subject", metavar="SUBJECT", help="Of this session, package, or topic[partition]@offset."
)
@click.option("--older-than-24h", "overdue", is_flag=True, help="Open for more than a day.")
@output_option
def list_exceptions(
    statuses: tuple[str, ...],
    reasons: tuple[str, ...],
    subject: str | None,
    overdue: bool,
    output: str,
) -> None:
    """List exceptions, oldest first; those open for more than 24 hours are overdue."""
    choice = Choice(statuses=statuses, reasons=reasons, subject=subject, overdue=overdue)
    with connect(load_settings()) as connection:
        rows = chosen_exceptions(connection, choice)
    print_table_or_json(rows, output, _COLUMNS)


@exceptions.command(
    examples=("outbox exceptions show ID", "outbox exceptions show ID --output json | jq .record")
)
@click.argument("exception_id", metavar="ID", type=click.UUID)
@output_option
def show(exception_id: UUID, output: str) -> None:
    """Show all of one exception, with the record that could not be billed."""
    with connect(load_settings()) as connection:
        (row,) = chosen_exceptions(connection, Choice(ids=[exception_id]))
    if output == "json":
        click.echo(as_json(row))
        return
    fields = [{"field": name, "value": value} for name, value in row.items()]
    print_table_or_json(fields, output)
    why_not = refusal(row)
    if why_not is not None:
        say(why_not)


@exceptions.command(
    examples=(
        "outbox exceptions retry ID",
        "outbox exceptions retry --reason price_missing",
        "outbox exceptions retry --event EVENT",
        "outbox exceptions retry ID --edit-value value.json",
    )
)
@click.argument("ids", metavar="[ID]...", nargs=-1, type=click.UUID)
@click.option("--event", metavar="EVENT", type=click.UUID, help="Those of this event.")
@click.option(
    "--reason",
    metavar="REASON",
    type=click.Choice(REASONS),
    help=f"All open ones for this reason: one of {_REASONS_TEXT}.",
)
@click.option("--all", "everything", is_flag=True, help="All open ones.")
@click.option(
    "--edit-value",
    metavar="FILE",
    type=click.File("rb"),
    help="Send this JSON instead of the record's own value (one exception of an event only).",
)
@by_option
@output_option
@click.pass_context
def retry(  # noqa: PLR0913 - one parameter an option
    ctx: click.Context,
    *,
    ids: tuple[UUID, ...],
    event: UUID | None,
    reason: str | None,
    everything: bool,
    edit_value: BinaryIO | None,
    actor: str,
    output: str,
) -> None:
    """Try exceptions again, wait up to 10 s, and print what became of each.

    What could not be posted is posted again; a record that could not be used is sent to its topic
    again. Conflicts cannot be retried: they need a decision. Exit code 1 if any failed again.
    """
    if [bool(ids), event is not None, reason is not None, everything].count(True) != 1:
        raise click.UsageError("Say which: ID…, --event ID, --reason R or --all; one of these.")
    if edit_value is not None and len(ids) != 1:
        raise click.UsageError("--edit-value is for exactly one ID.")
    edited = None if edit_value is None else _json_bytes(edit_value)
    settings = load_settings()
    choice = Choice(
        ids=ids,
        events=() if event is None else (event,),
        reasons=() if reason is None else (reason,),
        statuses=() if ids else OPEN_STATUSES,
    )
    with connect(settings) as connection:
        rows = chosen_exceptions(connection, choice)
        found = _retriable(rows, by_id=bool(ids))
        attempts = _try_again(connection, settings, found, edited, actor)
    print_table_or_json([asdict(attempt) for attempt in attempts], output)
    if not all(attempt.succeeded for attempt in attempts):
        ctx.exit(PROBLEM)


def _json_bytes(file: BinaryIO) -> bytes:
    content = file.read()
    try:
        json.loads(content)
    except ValueError as error:
        raise click.UsageError(f"--edit-value must be JSON: {error}.") from error
    return content


def _retriable(rows: Sequence[Mapping[str, Any]], *, by_id: bool) -> list[Mapping[str, Any]]:
    """Refuse what was named and cannot be retried; of many chosen otherwise, leave it out."""
    refusals = [why_not for why_not in map(refusal, rows) if why_not is not None]
    if refusals and by_id:
        raise ProblemError("\n".join([*refusals, "Nothing was retried."]))
    if refusals:
        say(f"{len(refusals)} need a decision and were not retried, the first: {refusals[0]}")
    found = [row for row in rows if refusal(row) is None]
    if not found:
        say("There is nothing to retry.")
    return found


def _try_again(
    connection: psycopg.Connection,
    settings: Settings,
    rows: Sequence[Mapping[str, Any]],
    edited: bytes | None,
    actor: str,
) -> list[Attempt]:
    records = [row for row in rows if way_out(row) is WayOut.SEND_AGAIN]
    if edited is not None and not all(is_of_an_event(row) for row in records or rows):
        raise click.UsageError(
            "--edit-value is for the record of an event: what this exception holds is computed "
            "from events, so void the wrong one or insert the missing price."
        )
    attempts = [retry_record(connection, settings.brokers(), row, edited, actor) for row in records]
    for attempt in attempts:
        position = attempt.became.removeprefix("sent again as ")
        say(f"If it fails again: outbox exceptions list --subject '{position}'")
    payables = [row["id"] for row in rows if way_out(row) is WayOut.POST_AGAIN]
    return attempts + retry_and_wait(connection, payables, actor=actor)


def _is_event(row: Mapping[str, Any]) -> bool:
    return str(row["record"].get("topic", "")).startswith("events.")


@exceptions.command(examples=('outbox exceptions dismiss ID --reason "paid by hand on 2 March"',))
@click.argument("ids", metavar="ID...", nargs=-1, required=True, type=click.UUID)
@click.option(
    "--reason", metavar="TEXT", required=True, help="Why; it is kept beside the exception."
)
@by_option
def dismiss(ids: tuple[UUID, ...], reason: str, actor: str) -> None:
    """Decide that exceptions are not to be billed, or are right as they stand.

    They stay so unless another event is involved.
    """
    if not reason.strip():
        raise click.UsageError("--reason must say why.")
    with connect(load_settings()) as connection:
        dismiss_exceptions(connection, ids, reason.strip(), actor)
    say(f"Dismissed: {', '.join(map(str, ids))}.")
