"""What the demo shows in the end: tables on standard output, all read from the database."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row

from operations.output import print_table, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection

    from operations.demo.comparison import Comparison
    from operations.demo.scenario import Step

_LATENCY_COLUMNS = ("stage", "count", "p50_ms", "p95_ms", "p99_ms", "max_ms")

_BILLS = """
    SELECT mentor_id AS mentor,
           count(*) FILTER (WHERE kind = 'session') AS sessions,
           count(*) FILTER (WHERE kind = 'package') AS packages,
           to_char(sum(amount_minor) / 100.0, 'FM999G999G990D00') AS amount,
           currency
    FROM mentor_payable_ledgers
    WHERE contract_id = ANY(%(contracts)s)
    GROUP BY mentor_id, currency
    ORDER BY mentor_id, currency
"""
_WAITING = """
    SELECT payload ->> 'servicePackageId' AS package,
           count(*) FILTER (WHERE billing = 'waiting_package') AS billable,
           count(*) FILTER (WHERE billing = 'waiting_evaluation') AS waiting_for_evaluation,
           max((payload ->> 'packageTotalSessions')::int) AS total
    FROM domain_event_status
    WHERE event_type = 'services.session.completed'
      AND payload ->> 'contractId' = ANY(%(contracts)s)
      AND payload ->> 'servicePackageId' IS NOT NULL
    GROUP BY 1
    HAVING bool_or(billing IN ('waiting_package', 'waiting_evaluation'))
    ORDER BY 1
"""
_EXCEPTIONS = """
    SELECT reason, status, count(*) AS exceptions, max(attempts) AS attempts_at_most,
           min(resolution) AS resolution
    FROM billing_exceptions
    WHERE record -> 'payable' ->> 'contract_id' = ANY(%(contracts)s)
    GROUP BY reason, status
    ORDER BY reason, status
"""


def print_step(step: Step) -> None:
    """Print how long each stage took."""
    print_table([asdict(each) for each in step.latencies], _LATENCY_COLUMNS, step.title)


def print_books(connection: Connection[Any], contracts: Sequence[str]) -> None:
    """Print the bills of `contracts` by mentor, the packages that wait, and the exceptions."""
    tables = (
        ("Bills by mentor, in the ledger", _BILLS),
        ("Packages that wait", _WAITING),
        ("Exceptions of this run", _EXCEPTIONS),
    )
    for title, query in tables:
        with connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(query, {"contracts": list(contracts)}).fetchall()
        if rows:
            print_table(rows, tuple(rows[0]), title)
        else:
            say(f"{title}: none")


def print_comparison(comparison: Comparison) -> None:
    """Print whether the ledger equals what the workload says must be in it."""
    row = {
        "bills_expected": comparison.expected,
        "bills_in_the_ledger": comparison.billed,
        "differences": len(comparison.faults),
    }
    print_table([row], tuple(row), "Ledger against the expectation from the workload alone")
    for fault in comparison.faults:
        say(f"  {fault}")
