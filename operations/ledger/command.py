"""The verbs: list, reverse, correct, verify."""

import re
from datetime import datetime
from typing import Any
from uuid import UUID

import click
import psycopg

from operations.actions import by_option
from operations.command_line import Group
from operations.instants import Instant
from operations.ledger.correcting import correct
from operations.ledger.entries import Entry
from operations.ledger.listing import Choice, chosen_entries
from operations.ledger.replacement import ByHand
from operations.ledger.reversing import Decision, reverse
from operations.output import as_json, output_option, print_table, print_table_or_json, say
from operations.settings import load_settings

_COLUMNS = (
    "posted_at", "id", "kind", "mentor_id", "contract_id", "session_id", "service_package_id",
    "amount_minor", "currency", "occurred_at", "reversed_by", "decided_by", "reason",
)  # fmt: skip
_POSTED_COLUMNS = (
    "id", "kind", "mentor_id", "contract_id", "student_id", "session_id", "service_package_id",
    "amount_minor", "currency", "price_effective_from", "occurred_at", "reverses",
)  # fmt: skip
_ENTRIES_MAX = 1_000
_CURRENCY = re.compile("[A-Z]{3}")


def connect() -> psycopg.Connection:
    """Connect as the owner of the tables."""
    url = load_settings().need("database_url")
    return psycopg.connect(url, autocommit=True, connect_timeout=10)


@click.group(cls=Group, examples=("outbox ledger list --mentor m-1", "outbox ledger verify"))
def ledger() -> None:
    """Show what is owed, take back or correct an entry, and check that none was tampered with."""


@ledger.command(
    "list",
    examples=(
        "outbox ledger list --mentor m-1 --since 2026-03-01 --until 2026-04-01",
        "outbox ledger list --session s-1 --output json",
    ),
)
@click.option("--mentor", metavar="ID", help="Owed to this mentor.")
@click.option("--contract", metavar="ID", help="Of this contract.")
@click.option("--session", metavar="ID", help="That pay this session, by itself or in a package.")
@click.option("--package", metavar="ID", help="Of this service package.")
@click.option("--since", type=Instant(), metavar="TIME", help="Posted at this time or later.")
@click.option("--until", type=Instant(), metavar="TIME", help="Posted before this time.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    default=_ENTRIES_MAX,
    show_default=True,
    help="List no more entries than this; the totals are of all.",
)
@output_option
def list_entries(  # noqa: PLR0913 - one parameter an option
    *,
    mentor: str | None,
    contract: str | None,
    session: str | None,
    package: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    output: str,
) -> None:
    """List entries, oldest first, and the net totals by currency: reversals are taken off."""
    choice = Choice(
        mentor=mentor,
        contract=contract,
        session=session,
        package=package,
        since=since,
        until=until,
    )
    with connect() as connection:
        found = chosen_entries(connection, choice, limit)
    if output == "json":
        click.echo(as_json({"entries": found.entries, "totals": found.totals}))
    else:
        print_table(found.entries, _COLUMNS)
        columns = ("currency", "entries", "posted_minor", "reversed_minor", "net_minor")
        print_table(found.totals, columns, "Totals, in minor units")
    if found.left_out:
        say(f"{found.left_out} more are not listed, but counted: --limit says how many to list.")


_reason_option = click.option(
    "--reason", metavar="TEXT", required=True, help="Why; it is kept with the decision."
)
_dry_run_option = click.option("--dry-run", is_flag=True, help="Show what it would post.")


@ledger.command(
    "reverse",
    examples=(
        "outbox ledger reverse ID --reason 'never held' --dry-run",
        "outbox ledger reverse ID --reason 'the session was never held'",
    ),
)
@click.argument("entry_id", metavar="ID", type=click.UUID)
@_reason_option
@by_option
@_dry_run_option
@output_option
def reverse_verb(entry_id: UUID, *, reason: str, actor: str, dry_run: bool, output: str) -> None:
    """Take an entry back and post nothing instead: nothing is owed for it any more.

    No redelivery and no replay brings it back; `outbox ledger correct ID` does.
    """
    decision = _decision(actor, reason)
    with connect() as connection:
        posted = reverse(connection, entry_id, decision, dry_run=dry_run)
    _print_posted(posted, output, dry_run=dry_run)


@ledger.command(
    "correct",
    examples=(
        "outbox ledger correct ID --reason 'the price was backdated' --dry-run",
        "outbox ledger correct ID --reason 'agreed by mail' --amount-minor 9000",
    ),
)
@click.argument("entry_id", metavar="ID", type=click.UUID)
@_reason_option
@by_option
@click.option(
    "--conflict", metavar="EXCEPTION", type=click.UUID, help="Whose facts, if several are open."
)
@click.option("--mentor", "mentor_id", metavar="ID", help="Owed to this mentor instead.")
@click.option("--contract", "contract_id", metavar="ID", help="Of this contract instead.")
@click.option("--student", "student_id", metavar="ID", help="Of this student instead.")
@click.option("--occurred-at", type=Instant(), metavar="TIME", help="Billable since then instead.")
@click.option("--price-code", metavar="CODE", help="Priced by this sessionType or packageCode.")
@click.option(
    "--amount-minor", type=click.IntRange(min=1), metavar="N", help="This much, in minor units."
)
@click.option("--currency", metavar="CODE", help="Of --amount-minor; default: the entry's.")
@_dry_run_option
@output_option
def correct_verb(
    entry_id: UUID,
    *,
    reason: str,
    actor: str,
    conflict: UUID | None,
    dry_run: bool,
    output: str,
    **by_hand: Any,
) -> None:
    """Take an entry back and post what is right instead, both or neither.

    What is right is what the events say in the open ledger_conflict of its session or package, else
    what the entry says, at the price that is in force now for that time; each can be said by hand.
    """
    currency = by_hand["currency"]
    if currency is not None and by_hand["amount_minor"] is None:
        raise click.UsageError("--currency goes with --amount-minor: a price has its own.")
    if currency is not None and not _CURRENCY.fullmatch(currency):
        raise click.BadParameter("must be three capital letters, as USD.", param_hint="--currency")
    decision = _decision(actor, reason)
    with connect() as connection:
        posted = correct(
            connection,
            entry_id,
            decision,
            ByHand(**by_hand),
            conflict=conflict,
            dry_run=dry_run,
        )
    _print_posted(posted, output, dry_run=dry_run)


def _decision(actor: str, reason: str) -> Decision:
    if not reason.strip():
        raise click.UsageError("--reason must say why.")
    return Decision(actor=actor, reason=reason.strip())


def _print_posted(posted: list[Entry], output: str, *, dry_run: bool) -> None:
    rows = [{name: getattr(entry, name) for name in _ENTRY_FIELDS} for entry in posted]
    print_table_or_json(rows, output, _POSTED_COLUMNS)
    if dry_run:
        say("Nothing was posted: this was a dry run.")
    else:
        say("Posted. `outbox ledger list` shows it with who decided it, and why.")


_ENTRY_FIELDS = tuple(Entry.__dataclass_fields__)
