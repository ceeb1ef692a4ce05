"""Entries of the ledger and what they come to, reversals taken off."""

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

_HERE = Path(__file__).parent
_CHOSEN = (_HERE / "listing.sql").read_text(encoding="utf-8")
_ENTRIES = _CHOSEN + (_HERE / "listing_entries.sql").read_text(encoding="utf-8")
_TOTALS = _CHOSEN + (_HERE / "listing_totals.sql").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which entries; None does not restrict. The times are those of posting."""

    mentor: str | None = None
    contract: str | None = None
    session: str | None = None
    package: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Entries, oldest first, and the totals of all chosen ones, also of those beyond the limit."""

    entries: list[dict[str, Any]]
    totals: list[dict[str, Any]]

    @property
    def left_out(self) -> int:
        """How many chosen entries are not listed."""
        return sum(int(total["entries"]) for total in self.totals) - len(self.entries)


def chosen_entries(
    connection: psycopg.Connection[Any], choice: Choice, entries_max: int | None = None
) -> Listing:
    """Return the entries and their totals, of one moment."""
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        entries = cursor.execute(
            _ENTRIES, {**asdict(choice), "entries_max": entries_max}
        ).fetchall()
        totals = cursor.execute(_TOTALS, asdict(choice)).fetchall()
    # Sums of bigint are numeric, which JSON would have as text.
    return Listing(
        entries,
        [
            {name: value if name == "currency" else int(value) for name, value in total.items()}
            for total in totals
        ],
    )
