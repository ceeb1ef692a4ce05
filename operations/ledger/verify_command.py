"""The verb verify: whether anyone tampered with what was sealed."""

import re
from typing import Any

import click

from operations.command_line import Command
from operations.failures import PROBLEM
from operations.ledger.command import connect
from operations.ledger.verification import Head, Verification, verify
from operations.output import as_json, output_option, print_table, say

_HEAD = re.compile("([1-9][0-9]{0,17}):([0-9a-f]{64})")
_COLUMNS = (
    "finding", "seal", "entry_id", "kind", "mentor_id", "subject", "amount_minor", "currency",
    "posted_at", "meaning",
)  # fmt: skip
_MEANING = {
    "entry_altered": "the entry, or the sessions it pays, is not what was sealed",
    "entry_removed": "the entry was sealed and is gone",
    "entry_slipped_in": "the entry claims to be older than the seal, and was not there",
    "sessions_without_entry": "sessions are paid by an entry that is not there",
    "list_altered": "the list of what was sealed is not the one that was sealed",
    "seal_altered": "the seal's hash does not fit what it says",
    "seal_removed": "the seal is gone",
    "chain_broken": "the seal does not follow on the one before: one of the two was made anew",
    "head_differs": "the seal is gone or is not the one whose head you kept",
}


class HeadType(click.ParamType):
    """A head as `verify` prints it."""

    name = "head"

    def convert(
        self, value: str | Head, param: click.Parameter | None, ctx: click.Context | None
    ) -> Head:
        """Fail as wrong usage where it is none."""
        if isinstance(value, Head):
            return value
        found = _HEAD.fullmatch(value.strip())
        if found is None:
            self.fail(f"{value!r} is no head: it is a number, a colon and 64 digits", param, ctx)
        return Head(int(found[1]), found[2])


@click.command(
    "verify",
    cls=Command,
    examples=(
        "outbox ledger verify",
        "outbox ledger verify --head 12:HASH",
    ),
)
@click.option(
    "--head",
    "expected",
    metavar="NUMBER:HASH",
    type=HeadType(),
    help="A head that verify printed earlier, kept elsewhere.",
)
@output_option
@click.pass_context
def verify_verb(ctx: click.Context, expected: Head | None, output: str) -> None:
    """Find any entry that was altered, removed or slipped in below a seal.

    `outbox maintain` seals. Prints the head of the chain: keep it outside of the database and give
    it back with --head, since whoever can change the seals could make them all anew. Exit code 1
    if anything does not fit, or nothing was ever sealed.
    """
    with connect() as connection:
        found = verify(connection, expected)
    findings = [{**each, "meaning": _MEANING[each["finding"]]} for each in found.findings]
    if output == "json":
        click.echo(as_json({"intact": found.intact, **_figures(found), "findings": findings}))
    else:
        print_table([_figures(found)], tuple(_figures(found)))
        if findings:
            print_table(findings, _COLUMNS, "What does not fit")
    say(_verdict(found))
    if not found.intact:
        ctx.exit(PROBLEM)


def _figures(found: Verification) -> dict[str, Any]:
    return {
        "seals": found.seals,
        "sealed": found.sealed,
        "unsealed": found.unsealed,
        "sealed_at": found.sealed_at,
        "head": found.head,
    }


def _verdict(found: Verification) -> str:
    if found.findings:
        return (
            f"Somebody tampered with the ledger: {len(found.findings)} do not fit the seals. Keep "
            "the database as it is, and compare with a backup of the time of the seal before."
        )
    if found.seals == 0:
        return "Nothing was ever sealed, so nothing could be checked: `outbox maintain` seals."
    return (
        f"{found.sealed} entries are as they were sealed; {found.unsealed} are newer than the last "
        f"seal. Keep the head elsewhere: {found.head}"
    )
