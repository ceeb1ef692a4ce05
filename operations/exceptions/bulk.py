"""All exceptions that match, at once: counted first, and done only to as many as were confirmed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from operations.exceptions.listing import CHOSEN, Choice
from operations.exceptions.resending import resend
from operations.exceptions.ways_out import WayOut, way_out_of
from operations.failures import ProblemError
from stream_processors.ledger.exceptions import OPEN_STATUSES

_HERE = Path(__file__).parent
_GROUPS, _RETRY, _DISMISS, _TO_SEND = (
    CHOSEN + (_HERE / f"{name}.sql").read_text(encoding="utf-8")
    for name in ("groups", "retry_group", "dismiss_group", "to_send")
)
_SENT_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Group:
    """Exceptions that are alike in what can be done about them."""

    reason: str
    status: str
    contents: str
    exceptions: int

    @property
    def way_out(self) -> WayOut:
        """How each of them can be tried again, if at all."""
        if self.status == "resolved":
            return WayOut.REFUSED
        return way_out_of(self.reason, self.contents.split(","))

    @property
    def name(self) -> str:
        """What tells the group from others, as the queries put it together."""
        return f"{self.reason} {self.status} {self.contents}"


@dataclass(frozen=True, slots=True)
class Matching:
    """What a choice comes to, by groups."""

    groups: Sequence[Group]

    @property
    def total(self) -> int:
        """How many match."""
        return sum(group.exceptions for group in self.groups)

    @property
    def retriable(self) -> int:
        """How many of them can be tried again; the others need a decision, or are resolved."""
        return sum(group.exceptions for group in self.groups if group.way_out is not WayOut.REFUSED)

    @property
    def open(self) -> int:
        """How many of them can be dismissed."""
        return sum(group.exceptions for group in self.groups if group.status in OPEN_STATUSES)

    def names(self, way_out: WayOut) -> list[str]:
        """Return the groups with this way out."""
        return [group.name for group in self.groups if group.way_out is way_out]


def matching(connection: psycopg.Connection[Any], choice: Choice) -> Matching:
    """Count what a choice comes to. Raises psycopg.Error."""
    with connection.cursor(row_factory=class_row(Group)) as cursor:
        return Matching(cursor.execute(_GROUPS, choice.values()).fetchall())


def retry_matching(
    connection: psycopg.Connection[Any],
    bootstrap_servers: str,
    choice: Choice,
    confirmed: int,
    actor: str,
) -> int:
    """Try all that can be tried again; return how many. `confirmed`: how many a person agreed to.

    Payables are posted again by the ledger writer from now on; records are sent to their topics
    again before this returns. Raises ProblemError where there are not as many as were confirmed;
    UnreachableError and ProblemError as `send_again`: those sent until then are resolved.
    """
    detail = {"bulk": str(uuid4()), "of": confirmed}
    with connection.transaction():
        found = matching(connection, choice)
        posted = connection.execute(
            _RETRY,
            {
                **choice.values(),
                "groups": found.names(WayOut.POST_AGAIN),
                "actor": actor,
                "detail": Jsonb(detail),
            },
        ).rowcount
        to_send = connection.execute(
            _TO_SEND,
            {**choice.values(), "groups": found.names(WayOut.SEND_AGAIN)},
        ).fetchall()
        _require(posted + len(to_send), confirmed)
    ids = [exception for (exception,) in to_send]
    for first in range(0, len(ids), _SENT_AT_ONCE):
        some = ids[first : first + _SENT_AT_ONCE]
        resend(connection, bootstrap_servers, some, actor=actor, detail=detail)
    return confirmed


def dismiss_matching(
    connection: psycopg.Connection[Any], choice: Choice, confirmed: int, actor: str, reason: str
) -> int:
    """Dismiss all open ones; return how many. Raises ProblemError as `retry_matching`."""
    with connection.transaction():
        dismissed = connection.execute(
            _DISMISS,
            {
                **choice.values(),
                "actor": actor,
                "reason": reason,
                "detail": Jsonb({"bulk": str(uuid4()), "of": confirmed}),
            },
        ).rowcount
        _require(dismissed, confirmed)
    return dismissed


def _require(found: int, confirmed: int) -> None:
    if found != confirmed:
        raise ProblemError(
            f"{confirmed:,} were confirmed, and {found:,} match by now: nothing was done. Look at "
            "them again, and confirm anew."
        )
