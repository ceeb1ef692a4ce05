"""What a test does with a line of the doctor's: read it, and do what it says."""

from collections.abc import Callable, Iterable

import psycopg

from operations.doctor.finding import Finding

Check = Callable[[psycopg.Connection], Iterable[Finding]]


def found(check: Check, connection: psycopg.Connection) -> Finding:
    """The one line that a check says."""
    findings = list(check(connection))
    assert len(findings) == 1, findings
    return findings[0]


def carry_out(finding: Finding, connection: psycopg.Connection) -> None:
    """Do what a line says, where that is SQL."""
    assert finding.remedy is not None
    where, _, statement = finding.remedy.partition(": ")
    assert where.startswith("in psql at the "), finding.remedy
    connection.execute(statement.rpartition(";")[0].encode())
