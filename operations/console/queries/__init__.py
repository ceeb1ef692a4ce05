"""The queries of the pages, one a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

_HERE = Path(__file__).parent


def read_query(name: str) -> str:
    """Return the text of a query of this folder."""
    return (_HERE / f"{name}.sql").read_text(encoding="utf-8")


def rows(
    connection: psycopg.Connection, query: str, values: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return what a query finds, each row by the names of its columns. Raises psycopg.Error."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, values or {}).fetchall()
