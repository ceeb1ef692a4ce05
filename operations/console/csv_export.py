"""Rows as CSV (RFC 4180), so that a spreadsheet takes text for text. Pure."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

# With these a spreadsheet would take a cell for a formula and compute it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Return rows as lines. Integers as they are; times as RFC 3339; lists parted by spaces."""
    written = io.StringIO()
    csv.writer(written).writerows([_cell(row[column]) for column in columns] for row in rows)
    return written.getvalue()


def header(columns: Sequence[str]) -> str:
    """Return the first line."""
    return csv_text([dict(zip(columns, columns, strict=True))], columns)


def _cell(value: Any) -> str | int:
    if value is None:
        return ""
    if isinstance(value, int):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    return _as_text(" ".join(map(str, value)) if isinstance(value, list) else str(value))


def _as_text(text: str) -> str:
    """Return a text with an apostrophe before it where it would be a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
