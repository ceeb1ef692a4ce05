"""What the ledger says of a session or package, against what is said of it again.

Compared with the entry that stands: the first one, or the correction that a person replaced it by.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from psycopg.rows import namedtuple_row

from stream_processors.ledger.exceptions import subject_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg

    from schemas.records import Payable, PayableWithdrawn

_ENTRIES = """
    SELECT entry.id::text, entry.mentor_id, entry.contract_id, entry.student_id,
           entry.session_id, entry.service_package_id, entry.occurred_at,
           reversal.id IS NOT NULL AS reversed,
           ARRAY(SELECT session_id FROM ledger_entry_sessions WHERE entry_id = entry.id)
               AS session_ids
    FROM mentor_payable_ledgers AS entry
    LEFT JOIN mentor_payable_ledgers AS reversal ON reversal.reverses = entry.id
    WHERE entry.kind <> 'reversal'
      AND (entry.session_id = ANY(%(sessions)s) OR entry.service_package_id = ANY(%(packages)s))
    -- What stands comes first, then what was taken back last.
    ORDER BY reversal.posted_at DESC NULLS FIRST
"""

# Which session or package it is, is compared by looking it up.
_COMPARED = ("mentor_id", "contract_id", "student_id", "occurred_at")


class Standing(Enum):
    """How a payable compares with what the ledger says of its session or package."""

    ABSENT = "it was never posted"
    AGREES = "the entry that stands says the same"
    TAKEN_BACK = "a person reversed an entry that says the same"
    DIFFERS = "the ledger says otherwise"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one payable compares; where it differs, in what and from which entry."""

    standing: Standing
    different: tuple[str, ...] = ()
    entry_id: str | None = None
    decided: bool = False
    """Whether a person reversed an entry of its session or package before."""


def compare(connection: psycopg.Connection, payables: Sequence[Payable]) -> list[Comparison]:
    """Compare each payable with the ledger as it is now."""
    by_subject = _entries_of(
        connection, [(payable.kind, subject_of(payable)) for payable in payables]
    )
    return [_compare(payable, by_subject) for payable in payables]


def what_stands(
    connection: psycopg.Connection, withdrawn: Sequence[PayableWithdrawn]
) -> list[Comparison]:
    """Say of each bill that is owed no more whether an entry stands: DIFFERS, or ABSENT."""
    by_subject = _entries_of(connection, [(each.kind, each.subject) for each in withdrawn])
    return [_what_stands(by_subject.get((each.kind, each.subject), [])) for each in withdrawn]


def _what_stands(entries: Sequence[Any]) -> Comparison:
    decided = any(entry.reversed for entry in entries)
    for entry in entries:
        if not entry.reversed:
            return Comparison(Standing.DIFFERS, entry_id=entry.id, decided=decided)
    return Comparison(Standing.ABSENT)


def _entries_of(
    connection: psycopg.Connection, subjects: Sequence[tuple[str, str]]
) -> Mapping[tuple[str, str], list[Any]]:
    """Return the entries of sessions and packages, by kind and id; what stands comes first."""
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        cursor.execute(
            _ENTRIES,
            {
                "sessions": [subject for kind, subject in subjects if kind == "session"],
                "packages": [subject for kind, subject in subjects if kind == "package"],
            },
        )
        entries: list[Any] = cursor.fetchall()
    by_subject: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
    for entry in entries:
        kind = "session" if entry.session_id is not None else "package"
        by_subject[kind, entry.session_id or entry.service_package_id].append(entry)
    return by_subject


def _compare(payable: Payable, by_subject: Mapping[tuple[str, str], list[Any]]) -> Comparison:
    entries = by_subject.get((payable.kind, subject_of(payable)), [])
    if all(entry.id != payable.ledger_id for entry in entries):
        return Comparison(Standing.ABSENT)
    decided = any(entry.reversed for entry in entries)
    for entry in entries:
        if not _differences(payable, entry):
            standing = Standing.TAKEN_BACK if entry.reversed else Standing.AGREES
            return Comparison(standing, decided=decided)
    different = tuple(_differences(payable, entries[0]))
    return Comparison(Standing.DIFFERS, different, entries[0].id, decided)


def _differences(payable: Payable, entry: Any) -> list[str]:
    different = [name for name in _COMPARED if getattr(payable, name) != getattr(entry, name)]
    if sorted(payable.session_ids) != sorted(entry.session_ids):
        different.append("session_ids")
    return different
