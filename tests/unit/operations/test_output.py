import io
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import click
import pytest
from click.testing import CliRunner
from rich.console import Console

from operations import output as output_module
from operations.output import as_json, output_option, print_table, print_table_or_json, say

LONG = "x" * 300
ROWS = [
    {"id": 1, "note": LONG, "at": datetime(2026, 11, 1, 10, tzinfo=UTC), "fine": True},
    {"id": 2, "note": "[bold]not markup[/bold]", "at": None, "fine": False, "more": {"a": [1]}},
]


@click.command()
@output_option
def show(output: str) -> None:
    """Print the rows."""
    say("only a message")
    print_table_or_json(ROWS, output, columns=("id", "note", "at", "fine", "more"))


def test_json_on_standard_output_is_a_list_of_every_field() -> None:
    result = CliRunner().invoke(show, ["--output", "json"])
    rows = json.loads(result.stdout)
    assert [row["id"] for row in rows] == [1, 2]
    assert rows[0]["at"] == "2026-11-01T10:00:00+00:00"
    assert rows[1]["more"] == {"a": [1]}


def test_no_rows_are_an_empty_list() -> None:
    @click.command()
    def empty() -> None:
        print_table_or_json([], "json")

    assert json.loads(CliRunner().invoke(empty).stdout) == []


def test_messages_never_mix_with_data() -> None:
    result = CliRunner().invoke(show)
    assert "only a message" in result.stderr
    assert "only a message" not in result.stdout


def test_off_a_terminal_a_table_is_neither_cut_nor_coloured_nor_read_as_markup() -> None:
    printed = CliRunner().invoke(show).stdout
    assert LONG in printed
    assert "[bold]not markup[/bold]" in printed
    assert "\x1b" not in printed
    assert "yes" in printed
    assert "no" in printed


def test_values_of_a_database_have_a_form_in_json() -> None:
    @dataclass(frozen=True, slots=True)
    class Bill:
        identifier: uuid.UUID
        amount: Decimal
        sessions: frozenset[str]

    bill = Bill(uuid.UUID(int=1), Decimal("1.50"), frozenset({"b", "a"}))
    assert json.loads(as_json(bill)) == {
        "identifier": "00000000-0000-0000-0000-000000000001",
        "amount": "1.50",
        "sessions": ["a", "b"],
    }


def test_what_has_no_form_in_json_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no form in JSON"):
        as_json(object())


def on_a_terminal_of(width_columns: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """Print two rows of three columns as on a terminal; return what stands there."""
    printed = io.StringIO()
    console = Console(file=printed, width=width_columns)
    monkeypatch.setattr(output_module, "output_console", lambda: console)
    rows = [{"id": f"{number:036}", "reason": "price_missing", "error": LONG} for number in (1, 2)]
    print_table(rows, ("id", "reason", "error"))
    return printed.getvalue()


def test_where_a_terminal_is_too_narrow_for_a_table_rows_are_one_below_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wide = on_a_terminal_of(120, monkeypatch)
    assert wide.splitlines()[1].split() == ["┃", "id", "┃", "reason", "┃", "error", "┃"]
    narrow = on_a_terminal_of(40, monkeypatch)
    assert max(map(len, narrow.splitlines())) <= 40
    assert narrow.count("price_missing") == 2
    assert "".join(narrow.split()).count("x") == 2 * len(LONG)


def test_a_value_that_a_row_lacks_takes_no_line_of_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    printed = io.StringIO()
    console = Console(file=printed, width=40)
    monkeypatch.setattr(output_module, "output_console", lambda: console)
    columns = ("one", "two", "three", "four", "five", "six")
    print_table([{"one": "y" * 20, **dict.fromkeys(columns[1:5], "z" * 20)}], columns)
    assert "five" in printed.getvalue()
    assert "six" not in printed.getvalue()
