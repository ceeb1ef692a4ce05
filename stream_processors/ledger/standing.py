"""What the ledger says of a session or package, against a payable that is said again.

Compared with the entry that stands: the first one, or the correction that a person replaced it by.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from psycopg.rows import namedtuple_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg

    from schemas.records import Payable

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
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        cursor.execute(
            _ENTRIES,
            {
                "sessions": [payable.session_id for payable in payables],
                "packages": [payable.service_package_id for payable in payables],
            },
        )
        entries: list[Any] = cursor.fetchall()
    by_subject: defaultdict[tuple[str | None, str | None], list[Any]] = defaultdict(list)
    for entry in entries:
        by_subject[entry.session_id, entry.service_package_id].append(entry)
    return [_compare(payable, by_subject) for payable in payables]


def _compare(
    payable: Payable, by_subject: Mapping[tuple[str | None, str | None], list[Any]]
) -> Comparison:
    entries = by_subject.get((payable.session_id, payable.service_package_id), [])
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
