"""Which exceptions a page is about, by its address or its form."""

from typing import Any

import click

from operations.console.forms import Fields, identity, text, texts
from operations.exceptions.listing import Choice
from stream_processors.ledger.exceptions import OPEN_STATUSES, REASONS, STATUSES


def choice_of(fields: Fields) -> Choice:
    """Return the exceptions that were ticked; where none was, those of the filter.

    Open ones, unless statuses are named. Raises click.UsageError for what there is not.
    """
    ids = texts(fields, "id")
    if ids:
        return Choice(ids=[identity(each) for each in ids])
    event = text(fields, "event")
    return Choice(
        statuses=_known(texts(fields, "status"), STATUSES) or OPEN_STATUSES,
        reasons=_known(texts(fields, "reason"), REASONS),
        subject=text(fields, "subject"),
        events=[] if event is None else [identity(event)],
        overdue=text(fields, "overdue") is not None,
    )


def _known(values: tuple[str, ...], all_of_them: tuple[str, ...]) -> tuple[str, ...]:
    unknown = set(values) - set(all_of_them)
    if unknown:
        raise click.UsageError(
            f"There is no {', '.join(sorted(unknown))}: choose from {', '.join(all_of_them)}."
        )
    return values


def parameters(choice: Choice) -> dict[str, Any]:
    """Return what an address or a form says of a choice, so that `choice_of` reads it again."""
    return {
        "id": [str(each) for each in choice.ids],
        "status": [] if choice.ids else list(choice.statuses),
        "reason": list(choice.reasons),
        "subject": choice.subject,
        "event": str(choice.events[0]) if choice.events else None,
        "overdue": "1" if choice.overdue else None,
    }


def in_words(choice: Choice) -> str:
    """Say which exceptions a choice is about."""
    if choice.ids:
        return "those that were ticked"
    parts = [" or ".join(choice.statuses)]
    if choice.reasons:
        parts.append(" or ".join(reason.replace("_", " ") for reason in choice.reasons))
    if choice.subject is not None:
        parts.append(f"of {choice.subject}")
    if choice.events:
        parts.append(f"of event {choice.events[0]}")
    if choice.overdue:
        parts.append("open for more than 24 hours")
    return ", ".join(parts)
