"""Days (UTC) from and to, as a page's form asks for them. Pure."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import click

from operations.console.forms import Fields, day, midnight, next_midnight


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `first` to `last`, both of them included; None for no bound."""

    first: date | None = None
    last: date | None = None

    @property
    def since(self) -> datetime | None:
        """When it begins."""
        return None if self.first is None else midnight(self.first)

    @property
    def until(self) -> datetime | None:
        """When it has ended: the midnight after its last day."""
        return None if self.last is None else next_midnight(self.last)

    @property
    def parameters(self) -> dict[str, date | None]:
        """What an address says of it."""
        return {"since": self.first, "until": self.last}

    def __str__(self) -> str:
        """Return it as 2026-03-01, or 2026-03-01 to 2026-03-31."""
        if self.first is None and self.last is None:
            return "everything"
        if self.first == self.last:
            return str(self.first)
        if self.first is None:
            return f"up to {self.last}"
        return f"from {self.first} on" if self.last is None else f"{self.first} to {self.last}"


def period(fields: Fields) -> Period:
    """Return what the fields `since` and `until` say. Raises click.UsageError for no period."""
    asked = Period(day(fields, "since"), day(fields, "until"))
    if asked.first is not None and asked.last is not None and asked.last < asked.first:
        raise click.UsageError(f"{asked.last} is before {asked.first}: the period has no day.")
    return asked


def last_days(today: date, days: int) -> Period:
    """Return so many days, today as the last of them; without an end, so that it goes on."""
    return Period(first=today - timedelta(days=days - 1))


def month(of: date) -> Period:
    """Return the month in which a day lies."""
    first = of.replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return Period(first, following - timedelta(days=1))


def month_before(of: date) -> Period:
    """Return the month before that in which a day lies."""
    return month(of.replace(day=1) - timedelta(days=1))
