"""What was said on trial, in tables of one connection, beside the ledger and the exceptions."""

from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

import psycopg
from psycopg.rows import dict_row

from schemas.records import ExceptionReport, Payable, PayableWithdrawn
from stream_processors.ledger.exceptions import exception_id

_COPY_PAYABLES = """
    COPY said_payables (ledger_id, kind, mentor_id, contract_id, student_id, session_id,
                        service_package_id, price_code, occurred_at, session_ids)
    FROM STDIN
"""
_COPY_REPORTS = "COPY said_reports (exception_id, reason, subject, standing, basis) FROM STDIN"
_ANALYZE = "ANALYZE said_payables, said_reports"

Key = tuple[str, str | None, str]
"""Of a difference: what differs, and in what."""


def make_room(connection: psycopg.Connection[Any]) -> None:
    """Make the tables that `note_payables` and `note_reports` fill; they end with the session."""
    connection.execute(_sql("said.sql"))


def note_payables(
    connection: psycopg.Connection[Any], said: Iterable[Payable | PayableWithdrawn]
) -> None:
    """Note what is owed, and what is owed no more, in the order in which it was said."""
    with connection.cursor().copy(_COPY_PAYABLES) as copy:
        for each in said:
            copy.write_row((each.ledger_id, each.kind, *_terms(each)))


def _terms(said: Payable | PayableWithdrawn) -> tuple[Any, ...]:
    if isinstance(said, PayableWithdrawn):
        return (None,) * 8
    return (
        said.mentor_id,
        said.contract_id,
        said.student_id,
        said.session_id,
        said.service_package_id,
        said.price_code,
        said.occurred_at,
        list(said.session_ids),
    )


def note_reports(connection: psycopg.Connection[Any], reports: Iterable[ExceptionReport]) -> None:
    """Note reports in the order in which they were said."""
    with connection.cursor().copy(_COPY_REPORTS) as copy:
        for report in reports:
            identity = exception_id(report.reason, report.subject, report.source_event_id)
            copy.write_row((identity, report.reason, report.subject, report.standing, report.basis))


def compare(
    connection: psycopg.Connection[Any],
) -> tuple[Counter[str], dict[Key, Mapping[str, Any]]]:
    """Return how many bills and exceptions came out how, and those that differ."""
    connection.execute(_ANALYZE)
    counts: Counter[str] = Counter()
    differences: dict[Key, Mapping[str, Any]] = {}
    with connection.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(_sql("comparing.sql")):
            counts[row["outcome"]] += row["count"]
            if row["details"]:
                details = row["details"]
                differences[details["outcome"], details["kind"], details["subject"]] = details
    return counts, differences


def _sql(name: str) -> bytes:
    return files("operations.rebuild").joinpath(name).read_bytes()
