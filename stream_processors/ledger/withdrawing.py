"""What is owed no more: a bill that waits is put to rest, one that stands is shown to a person.

The ledger keeps what it posted first; only a person takes it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream_processors.ledger.exceptions import BillingException, put_to_rest
from stream_processors.ledger.posting import unsettled
from stream_processors.ledger.standing import Standing, what_stands

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from schemas.records import PayableWithdrawn

_WITHDRAWN = "withdrawn: nothing is owed any more"


def withdraw(
    connection: psycopg.Connection, withdrawn: Sequence[PayableWithdrawn]
) -> list[BillingException]:
    """Resolve the exceptions of bills that are owed no more; return one for each that is posted."""
    posted = [
        (each, found)
        for each, found in zip(withdrawn, what_stands(connection, withdrawn), strict=True)
        if found.standing is Standing.DIFFERS
    ]
    conflicts = {each.ledger_id: _conflict(each, found.entry_id) for each, found in posted}
    put_to_rest(
        connection,
        [(each.kind, each.subject) for each in withdrawn],
        _WITHDRAWN,
        kept=list(conflicts.values()),
    )
    decided = {conflicts[each.ledger_id].id for each, found in posted if found.decided}
    return unsettled(connection, list(conflicts.values()), decided)


def _conflict(withdrawn: PayableWithdrawn, entry_id: str | None) -> BillingException:
    return BillingException.of_withdrawn(
        withdrawn,
        f"{withdrawn.kind} {withdrawn.subject} is in the ledger as {entry_id}, and by event "
        f"{withdrawn.source_event_id} nothing is owed for it any more; what was posted stays: take "
        f"it back with `outbox ledger reverse {entry_id}`, or dismiss this",
    )
