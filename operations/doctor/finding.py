"""What a check found: fine, a warning, or a fault; the last two always with the way out."""

from dataclasses import dataclass
from enum import StrEnum

RECOVER = "`outbox connectors recover`"
"""Mends whatever is wrong with the place from which the connector would go on."""


class Level(StrEnum):
    """How bad it is. A fault loses, delays or endangers something now; a warning may, later."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's. `remedy`: what mends it, a command wherever there is one."""

    check: str
    level: Level
    finding: str
    remedy: str | None = None


def fine(check: str, finding: str) -> Finding:
    """Return that all is well."""
    return Finding(check, Level.OK, finding)


def warning(check: str, finding: str, remedy: str) -> Finding:
    """Return what should be seen to, and how."""
    return Finding(check, Level.WARNING, finding, remedy)


def fault(check: str, finding: str, remedy: str) -> Finding:
    """Return what is broken, and what mends it."""
    return Finding(check, Level.FAULT, finding, remedy)


def by_owner(statement: str) -> str:
    """Return SQL as a remedy, to be run as the tables' owner."""
    return f"in psql at the database_url of `outbox env`: {statement}"


def by_superuser(statement: str) -> str:
    """Return SQL as a remedy that only a superuser may run."""
    return f"in psql at the admin_database_url of `outbox env`: {statement}"


def age(seconds: float) -> str:
    """Return a time span as a person says it: 45 s, 12 min, 5 h, 3 days."""
    for limit, size, unit in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"


def mebibytes(size_bytes: float) -> str:
    """Return a size in MiB."""
    return f"{size_bytes / 1024**2:.0f} MiB"
