"""An entry of the ledger as a person deals with it: what it says, and whether it stands."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from operations.failures import ProblemError
from stream_processors.billing.payables import SubjectKind

_ENTRY = """
    SELECT entry.id, entry.kind, entry.mentor_id, entry.contract_id, entry.student_id,
           entry.session_id, entry.service_package_id, entry.amount_minor,
           entry.currency, entry.price_effective_from, entry.occurred_at, entry.source_event_id,
           entry.reverses, entry.posted_at,
           ARRAY(SELECT session_id FROM ledger_entry_sessions
                 WHERE entry_id = coalesce(entry.reverses, entry.id) ORDER BY session_id)
               AS session_ids,
           reversal.id AS reversed_by, reversal.posted_at AS reversed_at
    FROM mentor_payable_ledgers AS entry
    LEFT JOIN mentor_payable_ledgers AS reversal ON reversal.reverses = entry.id
"""
_BY_ID = _ENTRY + "WHERE entry.id = %(id)s"
_STANDING = (
    _ENTRY
    + """
    WHERE entry.kind <> 'reversal' AND reversal.id IS NULL
      AND (entry.session_id = %(session)s OR entry.service_package_id = %(package)s)
    ORDER BY entry.posted_at
"""
)
_REVERSALS = """
    SELECT count(*) FROM mentor_payable_ledgers
    WHERE kind = 'reversal' AND (session_id = %(session)s OR service_package_id = %(package)s)
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the ledger, the sessions it pays, and what took it back."""

    id: UUID
    kind: str
    mentor_id: str
    contract_id: str
    student_id: str
    session_id: str | None
    service_package_id: str | None
    amount_minor: int
    currency: str
    price_effective_from: datetime
    occurred_at: datetime
    source_event_id: UUID
    reverses: UUID | None
    posted_at: datetime
    session_ids: list[str]
    reversed_by: UUID | None
    reversed_at: datetime | None

    @property
    def subject_kind(self) -> SubjectKind:
        """What it bills: a session or a package."""
        return "package" if self.session_id is None else "session"

    @property
    def subject(self) -> str:
        """Id of the session or package that it bills."""
        return cast("str", self.session_id or self.service_package_id)

    def __str__(self) -> str:
        """Return it for people: what it is, for how much."""
        return (
            f"{self.id} ({self.kind} of {self.subject_kind} {self.subject}, mentor "
            f"{self.mentor_id}, {self.amount_minor} {self.currency} in minor units)"
        )


class NoEntryError(ProblemError):
    """The ledger has no entry of that id."""


def read_entry(connection: psycopg.Connection[Any], entry_id: UUID) -> Entry:
    """Return the entry. Raises NoEntryError where there is none."""
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        entry = cursor.execute(_BY_ID, {"id": entry_id}).fetchone()
    if entry is None:
        raise NoEntryError(
            f"There is no ledger entry {entry_id}; nothing was posted. `outbox ledger list` shows "
            "those there are."
        )
    return entry


def standing_entries(connection: psycopg.Connection[Any], like: Entry) -> list[Entry]:
    """Return what stands for the session or package that an entry bills; more than one is wrong."""
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(_STANDING, _subject(like)).fetchall()


def reversals(connection: psycopg.Connection[Any], like: Entry) -> int:
    """Return how often an entry of this session or package was taken back."""
    row = connection.execute(_REVERSALS, _subject(like)).fetchone()
    return 0 if row is None else int(row[0])


def _subject(entry: Entry) -> dict[str, str | None]:
    return {"session": entry.session_id, "package": entry.service_package_id}
