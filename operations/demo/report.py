"""What the demo shows: tables or JSON on standard output, all read from the database."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from psycopg.rows import dict_row

from operations.output import as_json, print_table, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg import Connection

    from operations.demo.comparison import Comparison
    from operations.demo.scenario import Step
    from operations.reconcile.report import Reconciliation

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
_BOOKS = {
    "bills": ("Bills by mentor, in the ledger", _BILLS),
    "waiting_packages": ("Packages that wait", _WAITING),
    "exceptions": ("Exceptions of this run", _EXCEPTIONS),
}


class Report:
    """Shows each part as a table when it comes, or all of them as one JSON object in the end."""

    def __init__(self, output: str) -> None:
        self._tables = output == "table"
        self._parts: dict[str, Any] = {}

    def show_step(self, step: Step) -> None:
        """Show how long each stage took."""
        self._show_rows(step.name, step.title, [asdict(each) for each in step.latencies])

    def show_books(self, connection: Connection[Any], contracts: Sequence[str]) -> None:
        """Show the bills of `contracts` by mentor, the packages that wait, and the exceptions."""
        for name, (title, query) in _BOOKS.items():
            with connection.cursor(row_factory=dict_row) as cursor:
                rows = cursor.execute(query, {"contracts": list(contracts)}).fetchall()
            self._show_rows(name, title, rows)

    def show_comparison(self, comparison: Comparison) -> None:
        """Show whether the ledger equals what the workload says must be in it."""
        row = {
            "bills_expected": comparison.expected,
            "bills_in_the_ledger": comparison.billed,
            "differences": len(comparison.faults),
        }
        title = "Ledger against the expectation from the workload alone"
        self._show_rows("comparison", title, [row])
        for fault in comparison.faults:
            say(f"  {fault}")
        self._parts["faults"] = comparison.faults

    def show_memory(self, memory_mib: int) -> None:
        """Show what the whole stack takes."""
        say(f"The whole stack takes {memory_mib} MiB of memory.")
        self._parts["memory_mib"] = memory_mib

    def show_reconciliation(self, found: Reconciliation) -> None:
        """Show the verdict of `outbox reconcile`, which has nothing in common with the rest."""
        say(
            f"Reconciled: {found.events} events, {found.expected} bills expected, {found.billed} "
            f"billed, {found.missing} missing, {found.duplicate} twice, {found.mismatched} wrong, "
            f"{found.waiting} waiting: {found.verdict}."
        )
        self._parts["reconciliation"] = found

    def end(self) -> None:
        """Print what has not been printed yet."""
        if not self._tables:
            click.echo(as_json(self._parts))

    def _show_rows(self, name: str, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self._parts[name] = rows
        if self._tables and rows:
            print_table(rows, tuple(rows[0]), title)
        elif self._tables:
            say(f"{title}: none")
