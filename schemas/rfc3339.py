"""RFC 3339 times, as far as payloads may use them: docs of the payloads, "Times".

Years 1970 to 2999, a T between date and time, at most 6 fractional digits, and an offset (Z, or
±hh:mm up to ±23:59). Narrower than `datetime.fromisoformat`, and the same as the database's check.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

# Both Python's re and PostgreSQL's regular expressions read it, with the same meaning.
PATTERN = (
    "(19[7-9][0-9]|2[0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    "[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?"
    "([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)

_matches = re.compile(PATTERN).fullmatch
_parse = datetime.fromisoformat

# An instant may leave the years 1970 to 2999 on its way to UTC; an offset brings it back.
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(3000, 1, 1, tzinfo=UTC)
_EAST = timezone(timedelta(hours=23, minutes=59))
_WEST = timezone(-timedelta(hours=23, minutes=59))


def parse_time(text: str) -> datetime:
    """Return the instant in UTC; raise ValueError where `text` is no such time."""
    if _matches(text) is None:
        raise ValueError(text)
    return _parse(text.upper()).astimezone(UTC)


def format_time(instant: datetime) -> str:
    """Write an aware datetime so that `parse_time` reads the same instant.

    Raises ValueError for a naive datetime, and for one that no offset brings into 1970 to 2999.
    """
    if instant.tzinfo is None:
        raise ValueError(f"{instant.isoformat()} has no time zone; make it aware, in UTC")
    in_utc = instant.astimezone(UTC)
    if in_utc < _EARLIEST:
        in_utc = in_utc.astimezone(_EAST)
    elif in_utc >= _LATEST:
        in_utc = in_utc.astimezone(_WEST)
    text = in_utc.isoformat()
    parse_time(text)
    return text
