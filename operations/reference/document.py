"""The whole reference, as it stands in docs/command-line.md."""

from pathlib import Path

import click

from operations.main import main
from operations.reference.variables import variables
from operations.reference.verbs import leaves, section

PATH = Path(__file__).parents[2] / "docs" / "command-line.md"

_HEAD = """\
# The command line

Made from the commands themselves by `python -m operations.reference`: change them, not this page.
`outbox VERB --help` and `outbox help VERB` print the same on a terminal, and
`outbox completion` lets a shell complete all of it.

## What all verbs share
Data goes to standard output, everything else to standard error. `--output json` prints data for
programs. Tables have colours on a terminal only, and not where `NO_COLOR` is set; where a terminal
is too narrow for a table, its rows are printed one below the other. Times are ISO 8601, in UTC
where they have no offset. Below, ID and EVENT stand for ids as `outbox exceptions list`,
`outbox ledger list` and `outbox history` print them.

| exit code | |
|---|---|
| 0 | fine |
| 1 | it found a problem: a discrepancy, a fault, something that cannot be done |
| 2 | wrong usage: nothing was done |
| 3 | a service that it needs cannot be reached |
"""
_VARIABLES = """\
## Environment variables
A setting that is not named by an option is one of these. `outbox up` gives the processes of the
local stack their own; whoever runs them elsewhere sets them."""


def reference() -> str:
    """Return the page."""
    root = click.Context(main, info_name="outbox")
    verbs = [section(ctx) for ctx in leaves(root)]
    return "\n\n".join([_HEAD.rstrip(), *verbs, _VARIABLES, variables()]) + "\n"
