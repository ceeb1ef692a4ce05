"""Rows of `billing_exceptions`, chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from operations.failures import ProblemError

_HERE = Path(__file__).parent
CHOSEN = (_HERE / "chosen.sql").read_text(encoding="utf-8")
"""Names the exceptions of a choice; the rest of a statement follows."""
_LISTING = CHOSEN + (_HERE / "listing.sql").read_text(encoding="utf-8")


class UnknownExceptionError(ProblemError):
    """There is no such exception."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which exceptions; an empty sequence or None does not restrict."""

    ids: Sequence[UUID] = ()
    events: Sequence[UUID] = ()
    statuses: Sequence[str] = ()
    reasons: Sequence[str] = ()
    subject: str | None = None
    overdue: bool = False

    def values(self) -> dict[str, Any]:
        """Return the parameters of chosen.sql."""
        return {
            "ids": list(self.ids) or None,
            "events": list(self.events) or None,
            "statuses": list(self.statuses) or None,
            "reasons": list(self.reasons) or None,
            "subject": self.subject,
            "overdue": self.overdue,
        }


def chosen_exceptions(connection: psycopg.Connection, choice: Choice) -> list[dict[str, Any]]:
    """Return the exceptions, oldest first, each with all its columns and `overdue`.

    Raises UnknownExceptionError where one of `choice.ids` is not there.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_LISTING, choice.values()).fetchall()
    unknown = set(choice.ids) - {row["id"] for row in rows}
    if unknown:
        named = ", ".join(sorted(map(str, unknown)))
        raise UnknownExceptionError(
            f"There is no exception {named}; nothing was done. `outbox exceptions list` shows "
            "those there are."
        )
    return rows
