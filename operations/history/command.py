"""The verb: one query, its rows, and a sentence that sums them up."""

import click
import psycopg

from operations.command_line import Command
from operations.failures import ProblemError
from operations.history.chain import Subject
from operations.history.summary import read_history
from operations.output import output_option, print_table_or_json, say
from operations.settings import load_settings

_COLUMNS = (
    "created_at", "event_type", "aggregate_id", "status", "published_at", "billing",
    "retry_count", "bill_kind", "amount_minor", "currency", "ledger_id", "missing", "id",
)  # fmt: skip


@click.command(
    cls=Command,
    examples=(
        "outbox history --contract c-17",
        "outbox history --session s-1 --output json",
        "outbox history --mentor m-1",
    ),
)
@click.option("--contract", metavar="ID", help="A contract and all its sessions.")
@click.option("--session", metavar="ID", help="One session.")
@click.option("--package", metavar="ID", help="The sessions of a service package.")
@click.option("--mentor", metavar="ID", help="The sessions that a mentor held.")
@output_option
def history(
    contract: str | None,
    session: str | None,
    package: str | None,
    mentor: str | None,
    output: str,
) -> None:
    """Show the chain of events in order, what became of each, and what is missing.

    It answers "I did 10 sessions; why are there 9 bills?" for a contract.
    """
    if [contract, session, package, mentor].count(None) != 3:  # noqa: PLR2004 - three of the four
        raise click.UsageError("Say whose: --contract, --session, --package or --mentor; one.")
    subject = Subject(contract=contract, session=session, package=package, mentor=mentor)
    url = load_settings().need("database_url")
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        found = read_history(connection, subject)
    if not found.chain:
        raise ProblemError(
            f"No event names {subject}: check the id, and whether the application's transaction "
            "was committed."
        )
    print_table_or_json(found.chain, output, _COLUMNS)
    if output == "json":
        say(str(found.summary))
    else:
        click.echo(str(found.summary))
