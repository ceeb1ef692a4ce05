"""Rows as CSV: what a spreadsheet must not compute, and what stays a number."""

import csv
import io
from datetime import UTC, datetime

import pytest

from operations.console.csv_export import csv_text, header


def cells(**row: object) -> list[str]:
    (read,) = csv.reader(io.StringIO(csv_text([row], tuple(row))))
    return read


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_that_a_spreadsheet_would_compute_is_marked_as_text(begins: str) -> None:
    assert cells(text=f"{begins}1+1", ids=[f"{begins}1"]) == [f"'{begins}1+1", f"'{begins}1"]


def test_what_is_a_number_a_time_or_nothing_is_written_as_it_is() -> None:
    at = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    assert cells(amount_minor=-10_000, at=at, none=None, text="a-b=c") == [
        "-10000",
        "2026-03-01T12:00:00.250000+00:00",
        "",
        "a-b=c",
    ]


@pytest.mark.parametrize("text", ["a,b", 'say "so"', "two\nlines", " spaces "])
def test_any_text_is_read_back_as_it_was(text: str) -> None:
    assert cells(text=text, after="x") == [text, "x"]


def test_several_ids_stand_in_one_cell() -> None:
    assert cells(ids=["s-1", "s-2"]) == ["s-1 s-2"]


def test_the_first_line_names_the_columns() -> None:
    assert header(("id", "amount_minor")) == "id,amount_minor\r\n"
