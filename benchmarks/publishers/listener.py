"""The listener that bills, the same for every publisher of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

_BILL = "INSERT INTO bills (session_id, amount_minor) VALUES (%s, %s)"
_BILLED = "SELECT EXISTS (SELECT FROM bills WHERE session_id = %s)"


def bill(connection: psycopg.Connection[Any], session_id: str, *, ask_first: bool = False) -> None:
    """Look the price up and write the bill; `ask_first`: unless there is one already."""
    if ask_first and connection.execute(_BILLED, [session_id]).fetchone() == (True,):
        return
    price = connection.execute(
        "SELECT amount_minor FROM prices WHERE price_code = 'mentoring'"
    ).fetchone()
    if price is None:
        raise LookupError("the table of prices is empty")
    connection.execute(_BILL, [session_id, price[0]])
