"""What is owed, and under which identity: the same subject always gives the same ledger id.

What was owed once may be owed no more: an event was voided, or one with a smaller id counts now.
Then that is said in the payable's place. Silence would leave what was said before standing: a bill
that waits for its price would be paid, and what the ledger holds would have nobody look at it.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Literal

from schemas.records import Payable, PayableWithdrawn

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from schemas.records import CompletedFact

SubjectKind = Literal["session", "package"]

# Fixed for ever: ledger ids derive from it.
_LEDGER_NAMESPACE = uuid.UUID("6f1c2f5e-9a39-5c1e-8a55-0b6f6a2d7c11")


def ledger_id(kind: SubjectKind, subject_id: str) -> str:
    """Return the id of the ledger entry that bills a session or a package."""
    return str(uuid.uuid5(_LEDGER_NAMESPACE, f"{kind}/{subject_id}"))


def reversal_id(kind: SubjectKind, subject_id: str, revision: int) -> str:
    """Return the id of the entry that takes back what stands, the `revision`th time (from 1)."""
    return _revision_id(kind, subject_id, "reversal", revision)


def correction_id(kind: SubjectKind, subject_id: str, revision: int) -> str:
    """Return the id of the entry that replaces what was taken back the `revision`th time."""
    return _revision_id(kind, subject_id, "correction", revision)


def _revision_id(kind: SubjectKind, subject_id: str, what: str, revision: int) -> str:
    # NUL stands in no id, so no other subject's name can end like this.
    name = "\0".join((f"{kind}/{subject_id}", what, str(revision)))
    return str(uuid.uuid5(_LEDGER_NAMESPACE, name))


def session_payable(
    completed: CompletedFact,
    source_event_id: str,
    occurred_at: datetime,
) -> Payable:
    """Return what is owed for a session that is billed by itself, before pricing."""
    return Payable(
        ledger_id=ledger_id("session", completed.session_id),
        kind="session",
        mentor_id=completed.mentor_id,
        contract_id=completed.contract_id,
        student_id=completed.student_id,
        session_id=completed.session_id,
        service_package_id=None,
        price_code=completed.session_type,
        occurred_at=occurred_at,
        source_event_id=source_event_id,
        session_ids=(completed.session_id,),
    )


def package_payable(
    service_package_id: str,
    package_code: str,
    terms: CompletedFact,
    session_ids: Iterable[str],
    source_event_id: str,
    occurred_at: datetime,
) -> Payable:
    """Return what is owed for a whole package, before pricing."""
    return Payable(
        ledger_id=ledger_id("package", service_package_id),
        kind="package",
        mentor_id=terms.mentor_id,
        contract_id=terms.contract_id,
        student_id=terms.student_id,
        session_id=None,
        service_package_id=service_package_id,
        price_code=package_code,
        occurred_at=occurred_at,
        source_event_id=source_event_id,
        session_ids=tuple(sorted(session_ids)),
    )


def withdrawn(kind: SubjectKind, subject_id: str, source_event_id: str) -> PayableWithdrawn:
    """Return that nothing is owed for a session or package, because of an event."""
    return PayableWithdrawn(
        ledger_id=ledger_id(kind, subject_id),
        kind=kind,
        subject=subject_id,
        source_event_id=source_event_id,
    )
