"""Rows of `billing_exceptions`, chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from operations.failures import ProblemError

_LISTING = (Path(__file__).parent / "listing.sql").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which exceptions; an empty sequence or None does not restrict."""

    ids: Sequence[UUID] = ()
    events: Sequence[UUID] = ()
    statuses: Sequence[str] = ()
    reasons: Sequence[str] = ()
    subject: str | None = None
    overdue: bool = False


def chosen_exceptions(connection: psycopg.Connection, choice: Choice) -> list[dict[str, Any]]:
    """Return the exceptions, oldest first, each with all its columns and `overdue`.

    Raises ProblemError where one of `choice.ids` is not there.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            _LISTING,
            {
                "ids": list(choice.ids) or None,
                "events": list(choice.events) or None,
                "statuses": list(choice.statuses) or None,
                "reasons": list(choice.reasons) or None,
                "subject": choice.subject,
                "overdue": choice.overdue,
            },
        ).fetchall()
    unknown = set(choice.ids) - {row["id"] for row in rows}
    if unknown:
        named = ", ".join(sorted(map(str, unknown)))
        raise ProblemError(
            f"There is no exception {named}; nothing was done. `outbox exceptions list` shows "
            "those there are."
        )
    return rows
