"""What verbs print: data on standard output, as a table or as JSON; all else on standard error."""

import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

Command = TypeVar("Command", bound=Callable[..., Any])

SILENT = logging.getLogger("outbox.silent")
"""For Kafka clients whose own log would repeat, on standard error, what a verb says itself."""
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False

UNBOUNDED_COLUMNS = 100_000
"""Off a terminal nothing is cut or wrapped: the next program reads whole rows."""
_FOLDED_COLUMNS_MIN = 12
"""A column that folds what it holds into less than that is not readable."""
_BORDER_COLUMNS = 3

output_option: Callable[[Command], Command] = click.option(
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="A table to read, or JSON for programs.",
)
"""Decorates every verb that prints data; the verb gets ``output``."""


def output_console() -> Console:
    """Write to standard output; colours only on a terminal, and not with NO_COLOR."""
    return Console(width=None if sys.stdout.isatty() else UNBOUNDED_COLUMNS)


def message_console() -> Console:
    """Write to standard error, where everything goes that is not data."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else UNBOUNDED_COLUMNS)


def say(message: str) -> None:
    """Print a line on standard error, as it is."""
    message_console().print(Text(message), soft_wrap=True)


def as_json(value: Any) -> str:
    """JSON text; times as RFC 3339, ids and decimals as text, dataclasses as objects."""
    return json.dumps(value, default=plain_json, indent=2, ensure_ascii=False)


def as_json_line(value: Any) -> str:
    """JSON text on one line, for what is printed again and again; forms as in `as_json`."""
    return json.dumps(value, default=plain_json, ensure_ascii=False)


def plain_json(value: Any) -> Any:
    """Return what JSON can hold instead of a value that it cannot; raises TypeError for none."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, frozenset | set):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON here")


def _cell(value: Any) -> Text:
    if value is None:
        return Text("")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, datetime):
        return Text(value.isoformat(sep=" ", timespec="milliseconds"))
    if isinstance(value, Mapping | list | tuple):
        return Text(json.dumps(value, default=plain_json, ensure_ascii=False))
    return Text(str(value))


def table_of(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], title: str | None = None
) -> Table:
    """Lay rows out as a table; a row may lack a column."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    return table


def _records_of(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], title: str | None
) -> Table:
    """Lay rows out one below the other, a line for each of their columns that has a value."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        for column in columns:
            cell = _cell(row.get(column))
            if cell.plain:
                table.add_row(column.replace("_", " "), cell)
        table.add_section()
    return table


def _is_readable(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], width_columns: int
) -> bool:
    """Whether a table fits without folding a cell into less than a word's width."""
    needed = 1
    for column in columns:
        lengths = [len(column), *(_cell(row.get(column)).cell_len for row in rows)]
        needed += min(max(lengths), _FOLDED_COLUMNS_MIN) + _BORDER_COLUMNS
    return needed <= width_columns


def print_table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], title: str | None = None
) -> None:
    """Rows as a table; where a terminal is too narrow for that, one below the other."""
    console = output_console()
    readable = _is_readable(rows, columns, console.width)
    console.print((table_of if readable else _records_of)(rows, columns, title))


def print_table_or_json(
    rows: Sequence[Mapping[str, Any]],
    output: str,
    columns: Sequence[str] | None = None,
    title: str | None = None,
) -> None:
    """Print rows as ``output`` says; JSON has all fields, a table ``columns`` (default: all)."""
    if output == "json":
        click.echo(as_json(list(rows)))
        return
    print_table(rows, columns or list(rows[0] if rows else ()), title)
