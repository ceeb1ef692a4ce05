"""Who did what, and why: a row of `operator_actions` in the transaction of the act itself."""

import getpass
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

import click
import psycopg
from psycopg.rows import scalar_row

from operations.output import as_json

Command = TypeVar("Command", bound=Callable[..., Any])

_RECORD = """
    INSERT INTO operator_actions (actor, action, subject, reason, detail)
    VALUES (%(actor)s, %(action)s, %(subject)s, %(reason)s, %(detail)s)
    RETURNING id
"""


def operating_system_user() -> str:
    """Return the name of whoever runs this process; its number where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _named(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str:
    if value is None:
        return operating_system_user()
    if not value.strip():
        raise click.BadParameter("must say who decided.")
    return value.strip()


by_option: Callable[[Command], Command] = click.option(
    "--by",
    "actor",
    metavar="WHO",
    callback=_named,
    help="Who decided; kept with the decision. Default: the user that runs this.",
)
"""Decorates every verb that acts; the verb gets ``actor``."""


def record_action(
    connection: psycopg.Connection[Any],
    *,
    action: str,
    subject: str,
    actor: str | None = None,
    reason: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> UUID:
    """Record an act inside the caller's transaction, beside what it does; return the row's id.

    `action` is the verb, as ledger.correct; `subject` what it was done to; `detail` what else tells
    what was done, as JSON; `actor` who it was, by default the user that runs this process. Raises
    psycopg.Error where the database refuses.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        identity: UUID | None = cursor.execute(
            _RECORD,
            {
                "actor": actor or operating_system_user(),
                "action": action,
                "subject": subject,
                "reason": reason,
                "detail": as_json(dict(detail or {})),
            },
        ).fetchone()
    if identity is None:
        raise TypeError("INSERT … RETURNING id gave no row")
    return identity


def record_actions_on_exceptions(
    connection: psycopg.Connection[Any],
    action: str,
    exceptions: Sequence[Mapping[str, Any]],
    *,
    actor: str | None,
    reason: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Record one act on each of several rows of billing_exceptions, under its subject."""
    for row in exceptions:
        record_action(
            connection,
            actor=actor,
            action=action,
            subject=row["subject"],
            reason=reason,
            detail={"exception_id": row["id"], "exception_reason": row["reason"], **(detail or {})},
        )
