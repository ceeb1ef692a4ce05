"""All exceptions that match, at once: counted first, and done only to those that were confirmed."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import xor
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
from schemas.brokers import Brokers
from stream_processors.ledger.exceptions import OPEN_STATUSES

_HERE = Path(__file__).parent
_GROUPS, _RETRY, _DISMISS, _TO_SEND = (
    CHOSEN + (_HERE / f"{name}.sql").read_text(encoding="utf-8")
    for name in ("groups", "retry_group", "dismiss_group", "to_send")
)
_SENT_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a person agreed to: how many exceptions, and which: `seal` is made of their ids."""

    exceptions: int
    seal: int

    def __str__(self) -> str:
        """Return it as a form takes it along."""
        return f"{self.exceptions}-{self.seal}"


def agreed(written: str) -> Agreed:
    """Read what a form took along. Raises ProblemError where it is something else."""
    parts = re.fullmatch(r"([1-9]\d{0,11})-(-?\d{1,20})", written, re.ASCII)
    if parts is None:
        raise ProblemError(
            f"{written[:40]!r} is not what a page of this console asked to confirm: nothing was "
            "done. Open the page of confirmation again."
        )
    return Agreed(int(parts[1]), int(parts[2]))


@dataclass(frozen=True, slots=True)
class Group:
    """Exceptions that are alike in what can be done about them; `seal` as in Agreed."""

    reason: str
    status: str
    contents: str
    exceptions: int
    seal: int

    @property
    def is_cut(self) -> bool:
        """Whether only the beginning of each record is kept: a person must look for the rest."""
        return "cut" in self.contents.split(",")

    @property
    def way_out(self) -> WayOut:
        """How each of them can be tried again as it stands, if at all."""
        if self.status == "resolved" or self.is_cut:
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
    def to_retry(self) -> Agreed:
        """Those of them that can be tried again; the others need a decision, or are resolved."""
        return _all_of(group for group in self.groups if group.way_out is not WayOut.REFUSED)

    @property
    def to_dismiss(self) -> Agreed:
        """Those of them that are open."""
        return _all_of(group for group in self.groups if group.status in OPEN_STATUSES)

    def names(self, way_out: WayOut) -> list[str]:
        """Return the groups with this way out."""
        return [group.name for group in self.groups if group.way_out is way_out]


def _all_of(groups: Iterable[Group]) -> Agreed:
    count, seal = 0, 0
    for group in groups:
        count += group.exceptions
        seal ^= group.seal
    return Agreed(count, seal)


def matching(connection: psycopg.Connection[Any], choice: Choice) -> Matching:
    """Count what a choice comes to. Raises psycopg.Error."""
    with connection.cursor(row_factory=class_row(Group)) as cursor:
        return Matching(cursor.execute(_GROUPS, choice.values()).fetchall())


def retry_matching(
    connection: psycopg.Connection[Any],
    brokers: Brokers,
    choice: Choice,
    confirmed: Agreed,
    actor: str,
) -> int:
    """Try all that can be tried again; return how many. `confirmed`: what a person agreed to.

    Payables are posted again by the ledger writer from now on; records are sent to their topics
    again before this returns. Raises ProblemError where they are not those that were confirmed,
    and nothing was done then; UnreachableError and ProblemError, which say how many were tried,
    where Kafka does not take a record.
    """
    detail = {"bulk": str(uuid4()), "of": confirmed.exceptions}
    with connection.transaction():
        found = matching(connection, choice)
        done: int
        (done, seal), *_ = connection.execute(
            _RETRY,
            {
                **choice.values(),
                "groups": found.names(WayOut.POST_AGAIN),
                "actor": actor,
                "detail": Jsonb(detail),
            },
        ).fetchall()
        to_send = connection.execute(
            _TO_SEND,
            {**choice.values(), "groups": found.names(WayOut.SEND_AGAIN)},
        ).fetchall()
        seal = reduce(xor, (its_seal for _, its_seal in to_send), seal)
        _require(Agreed(done + len(to_send), seal), confirmed)
    ids = [exception for exception, _ in to_send]
    for first in range(0, len(ids), _SENT_AT_ONCE):
        some = ids[first : first + _SENT_AT_ONCE]
        sent = resend(connection, brokers, some, actor=actor, detail=detail)
        done += len(sent.positions)
        if sent.failure is not None:
            raise type(sent.failure)(
                f"{done:,} of {confirmed.exceptions:,} are tried again, and no more: "
                f"{sent.failure.format_message()}"
            )
    return done


def dismiss_matching(
    connection: psycopg.Connection[Any], choice: Choice, confirmed: Agreed, actor: str, reason: str
) -> int:
    """Dismiss all open ones; return how many. Raises ProblemError as `retry_matching`."""
    with connection.transaction():
        (dismissed, seal), *_ = connection.execute(
            _DISMISS,
            {
                **choice.values(),
                "actor": actor,
                "reason": reason,
                "detail": Jsonb({"bulk": str(uuid4()), "of": confirmed.exceptions}),
            },
        ).fetchall()
        _require(Agreed(dismissed, seal), confirmed)
    return confirmed.exceptions


def _require(found: Agreed, confirmed: Agreed) -> None:
    if found.exceptions != confirmed.exceptions:
        raise ProblemError(
            f"{confirmed.exceptions:,} were confirmed, and {found.exceptions:,} match by now: "
            "nothing was done. Look at them again, and confirm anew."
        )
    if found.seal != confirmed.seal:
        raise ProblemError(
            f"{confirmed.exceptions:,} were confirmed, and as many match, but not the same ones: "
            "nothing was done. Look at them again, and confirm anew."
        )
