"""Entries of the ledger and what they come to, reversals taken off."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

_HERE = Path(__file__).parent
_ROWS_AT_ONCE = 1_000


def _statement(*parts: str) -> str:
    return "".join(
        (_HERE / f"{name}.sql").read_text(encoding="utf-8") for name in ("listing", *parts)
    )


# In the very order of the index, so that the first of many come at once.
_OLDEST = _statement("listing_oldest", "listing_entries") + "ORDER BY listed.posted_at, listed.id"
_NEWEST = (
    _statement("listing_newest", "listing_entries")
    + "ORDER BY listed.posted_at DESC, listed.id DESC"
)
_TOTALS = _statement("listing_totals")
_MENTORS = _statement("listing_mentors")


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


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, newest first; the totals by currency of all chosen ones, and by the first mentors.

    `mentors`: of each currency those to whom most is owed. `goes_on`: there are older entries.
    """

    entries: Sequence[dict[str, Any]]
    totals: Sequence[dict[str, Any]]
    mentors: Sequence[dict[str, Any]]
    goes_on: bool


def chosen_entries(
    connection: psycopg.Connection[Any], choice: Choice, entries_max: int | None = None
) -> Listing:
    """Return the entries and their totals, of one moment."""
    with _of_one_moment(connection) as cursor:
        entries = cursor.execute(_OLDEST, {**asdict(choice), "entries_max": entries_max}).fetchall()
        return Listing(entries, _counted(cursor.execute(_TOTALS, asdict(choice)).fetchall()))


def entries_page(
    connection: psycopg.Connection[Any],
    choice: Choice,
    *,
    before: UUID | None,
    entries_max: int,
    mentors_max: int,
) -> Page:
    """Return the newest entries, or those that come after the entry `before`; of one moment."""
    chosen = asdict(choice)
    with _of_one_moment(connection) as cursor:
        # One more than is shown tells whether it goes on.
        entries = cursor.execute(
            _NEWEST, {**chosen, "before": before, "entries_max": entries_max + 1}
        ).fetchall()
        totals = cursor.execute(_TOTALS, chosen).fetchall()
        mentors = cursor.execute(_MENTORS, {**chosen, "mentors_max": mentors_max}).fetchall()
    return Page(
        entries[:entries_max], _counted(totals), _counted(mentors), len(entries) > entries_max
    )


def all_entries(
    connection: psycopg.Connection[Any], choice: Choice
) -> Generator[Sequence[dict[str, Any]], None, None]:
    """Yield all chosen entries, oldest first, in lists: few are in memory at a time."""
    with (
        connection.transaction(),
        connection.cursor(name="ledger_entries", row_factory=dict_row) as cursor,
    ):
        cursor.execute(_OLDEST, {**asdict(choice), "entries_max": None})
        while entries := cursor.fetchmany(_ROWS_AT_ONCE):
            yield entries


@contextmanager
def _of_one_moment(
    connection: psycopg.Connection[Any],
) -> Iterator[psycopg.Cursor[dict[str, Any]]]:
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield cursor


def _counted(totals: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows whose sums are integers: sums of bigint are numeric, which JSON has as text."""
    return [
        {
            name: int(value) if name == "entries" or name.endswith("_minor") else value
            for name, value in total.items()
        }
        for total in totals
    ]
