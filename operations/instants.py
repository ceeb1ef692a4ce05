"""Times as a person types them, for every verb that takes one."""

from datetime import UTC, datetime

import click


class Instant(click.ParamType):
    """An ISO 8601 time; without an offset it is UTC."""

    name = "time"

    def convert(
        self,
        value: str | datetime,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> datetime:
        """Fail as wrong usage where it is no time."""
        if isinstance(value, datetime):
            return value
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time: write it as 2026-03-01T12:00:00+00:00", param, ctx)
        return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
