"""Whether a payable can be posted at all: checked before it can hold up, or mislead, the database.

The processors write no other. One that somebody else wrote, or that a person edited for a retry,
must become an exception of its own: not end the writer again and again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from schemas.records import Payable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.records import PayableWithdrawn

_TEXT_CHARACTERS_MAX = 255
_is_uuid = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_IDS = ("ledger_id", "source_event_id")
_TEXTS = ("mentor_id", "contract_id", "student_id", "price_code")
_SUBJECTS = {"session": "session_id", "package": "service_package_id"}


def fault_of(said: Payable | PayableWithdrawn) -> str | None:
    """Return what keeps it from being posted, naming the field; None where nothing does."""
    return next(_faults(said) if isinstance(said, Payable) else _withdrawn_faults(said), None)


def _withdrawn_faults(withdrawn: PayableWithdrawn) -> Iterator[str]:
    if withdrawn.kind not in _SUBJECTS:
        yield f"kind {withdrawn.kind!r} is neither session nor package"
    yield from _id_faults(withdrawn)
    if not _is_id(withdrawn.subject):
        yield _no_id("subject")


def _faults(payable: Payable) -> Iterator[str]:
    subject = _SUBJECTS.get(payable.kind, "")
    if not subject:
        yield f"kind {payable.kind!r} is neither session nor package"
    if {name for name in _SUBJECTS.values() if getattr(payable, name) is not None} != {subject}:
        yield f"a {payable.kind} has its own id and no other: {', '.join(_SUBJECTS.values())}"
    yield from _id_faults(payable)
    for name in (*_TEXTS, subject):
        if not _is_id(getattr(payable, name)):
            yield _no_id(name)
    if not payable.session_ids or not all(map(_is_id, payable.session_ids)):
        yield "session_ids are not the ids of sessions"
    if payable.occurred_at.tzinfo is None:
        yield "occurred_at has no offset"


def _id_faults(said: Payable | PayableWithdrawn) -> Iterator[str]:
    for name in _IDS:
        if not _is_uuid_text(getattr(said, name)):
            yield f"{name} is no uuid in lower case: {getattr(said, name)!r:.100}"


def _no_id(name: str) -> str:
    return f"{name} is no text of 1 to {_TEXT_CHARACTERS_MAX} characters without NUL"


def _is_uuid_text(value: Any) -> bool:
    return isinstance(value, str) and _is_uuid(value) is not None


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= _TEXT_CHARACTERS_MAX and "\0" not in value
