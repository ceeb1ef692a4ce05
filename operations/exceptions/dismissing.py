"""A person's decision that an exception stays unbilled, or is right as it stands."""

from collections.abc import Sequence
from uuid import UUID

import psycopg

from operations.actions import record_actions_on_exceptions
from operations.exceptions.listing import Choice, chosen_exceptions
from operations.failures import ProblemError

_DISMISS = """
    UPDATE billing_exceptions
    SET status = 'dismissed', resolution = %(reason)s
    WHERE id = ANY(%(ids)s) AND status <> 'resolved'
"""


def dismiss_exceptions(
    connection: psycopg.Connection,
    exceptions: Sequence[UUID],
    reason: str,
    actor: str | None = None,
) -> None:
    """Dismiss all of them or none. Raises ProblemError where one is unknown or resolved."""
    with connection.transaction():
        # Against a retry that would settle one of them in between.
        connection.execute(
            "SELECT FROM billing_exceptions WHERE id = ANY(%s) ORDER BY id FOR UPDATE",
            [list(exceptions)],
        )
        rows = chosen_exceptions(connection, Choice(ids=exceptions))
        resolved = [str(row["id"]) for row in rows if row["status"] == "resolved"]
        if resolved:
            raise ProblemError(
                f"Already resolved, so there is nothing to dismiss: {', '.join(resolved)}. "
                "Nothing was done; leave them out."
            )
        connection.execute(_DISMISS, {"ids": list(exceptions), "reason": reason})
        record_actions_on_exceptions(
            connection, "exceptions.dismiss", rows, actor=actor, reason=reason
        )
