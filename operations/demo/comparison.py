"""The ledger against the expectation: every field of every bill, told apart by what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg import Connection

    from producer_app.workload import ExpectedBill

_ENTRIES = """
    SELECT kind, mentor_id, contract_id, student_id, session_id, service_package_id,
           amount_minor, currency::text AS currency, price_effective_from, occurred_at,
           ARRAY(
               SELECT session_id FROM ledger_entry_sessions
               WHERE entry_id = entry.id ORDER BY session_id COLLATE "C"
           ) AS session_ids
    FROM mentor_payable_ledgers AS entry
    WHERE contract_id = ANY(%(contracts)s)
"""
_FIELDS = (
    "kind",
    "mentor_id",
    "contract_id",
    "student_id",
    "session_id",
    "service_package_id",
    "amount_minor",
    "currency",
    "price_effective_from",
    "occurred_at",
    "session_ids",
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Counts of bills, and a sentence for each that is not as expected."""

    expected: int
    billed: int
    faults: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether the ledger holds the expectation and nothing else."""
        return not self.faults


def compare(
    connection: Connection[Any],
    contracts: Sequence[str],
    expected: Sequence[ExpectedBill],
) -> Comparison:
    """Compare the entries of `contracts` with the bills that must be there, and no others."""
    with connection.cursor(row_factory=dict_row) as cursor:
        entries = cursor.execute(_ENTRIES, {"contracts": list(contracts)}).fetchall()
    wanted = {(bill.kind, bill.session_id or bill.service_package_id): bill for bill in expected}
    faults: list[str] = []
    seen: set[tuple[str, str | None]] = set()
    for entry in entries:
        subject = (entry["kind"], entry["session_id"] or entry["service_package_id"])
        bill = wanted.get(subject)
        if subject in seen:
            faults.append(f"{subject[0]} {subject[1]} is billed twice")
        elif bill is None:
            faults.append(f"{subject[0]} {subject[1]} is billed and should not be")
        else:
            faults.extend(_differences(entry, bill))
        seen.add(subject)
    faults.extend(f"{kind} {subject_id} is missing" for kind, subject_id in wanted.keys() - seen)
    return Comparison(len(wanted), len(entries), tuple(faults))


def _differences(entry: Mapping[str, Any], bill: ExpectedBill) -> list[str]:
    entry = {**entry, "session_ids": tuple(entry["session_ids"])}
    return [
        f"{bill.kind} {bill.session_id or bill.service_package_id}: {name} is {entry[name]!r}, "
        f"should be {getattr(bill, name)!r}"
        for name in _FIELDS
        if entry[name] != getattr(bill, name)
    ]
