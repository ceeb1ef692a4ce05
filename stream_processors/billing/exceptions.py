"""What the rules report for a person: events that contradict others.

A report says for one event whether the exception stands. It is said again, or withdrawn,
whenever the subject's facts are decided anew, together with the number of facts it rests on:
facts only grow, so of two reports the one that rests on fewer is the older one.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from schemas.records import ExceptionReport

if TYPE_CHECKING:
    from stream_processors.billing.facts import Fact

ConflictReason = Literal["session_conflict", "package_conflict", "package_exceeded"]


def conflict_report(
    reason: ConflictReason,
    subject: str,
    fact: Fact,
    *,
    standing: bool,
    basis: int,
    error: str,
) -> ExceptionReport:
    """Report whether `fact` contradicts the others known about `subject`.

    `basis` is the number of facts known about the subject.
    """
    return ExceptionReport(
        reason=reason,
        subject=subject,
        source_event_id=fact.event_id,
        standing=standing,
        basis=basis,
        error=error,
        record=json.dumps(asdict(fact), default=_rfc3339).encode(),
    )


def _rfc3339(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise TypeError(f"{value!r} has no JSON form: facts hold text, numbers and times")


def differences(first: Fact, second: Fact, fields: tuple[str, ...]) -> list[str]:
    """Return the names of those `fields` in which two facts differ, times as instants."""
    return [name for name in fields if getattr(first, name) != getattr(second, name)]
