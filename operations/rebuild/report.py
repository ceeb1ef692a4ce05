"""What a rebuild prints. Each returns whether all is well."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from operations.output import as_json, print_table, say
from operations.rebuild.past import PastState
from operations.rebuild.proof import Proof
from operations.rebuild.replacing import Replacement

_ROWS_MAX = 50
_WAITS = {
    "waiting_completion": ("session_id", "evaluated_at", "event_id"),
    "waiting_evaluation": ("session_id", "mentor_id", "contract_id", "completed_at", "event_id"),
    "waiting_package": (
        "service_package_id", "sessions_billable", "sessions_total", "mentor_id", "contract_id",
        "sessions_known",
    ),
}  # fmt: skip
_OWED = ("kind", "subject", "mentor_id", "contract_id", "amount_minor", "currency", "occurred_at")


def print_replacement(done: Replacement, output: str) -> bool:
    """Say what was done, and what is to be done now."""
    if output == "json":
        click.echo(as_json(done))
    else:
        _print_figures(asdict(done))
    if done.started:
        say("The state is whole again. Run `outbox reconcile` to see that nothing is missing.")
    else:
        say(
            "Start the stream processors now: they read everything again. Then run `outbox "
            "reconcile`."
        )
    return True


def print_proof(proof: Proof, output: str) -> bool:
    """Say whether the ledger is the one that the events give, and where it is not."""
    for warning in proof.warnings:
        say(f"Warning: {warning}")
    figures = asdict(proof)
    differences = figures.pop("differences")
    if output == "json":
        click.echo(as_json(proof))
    else:
        del figures["warnings"]
        _print_figures({**figures, "differences": len(differences)})
        _print_rows("Differences", differences, ("outcome", "kind", "subject", "different", "id"))
    if proof.equal:
        say("The ledger is the one that the events give.")
    else:
        say(
            f"The ledger differs from the one that the events give in {len(differences)} places. "
            "`outbox history` shows the events of each; `outbox reconcile` judges in SQL alone."
        )
    return proof.equal


def print_past(state: PastState, output: str) -> bool:
    """Show what was owed and what waited."""
    if output == "json":
        click.echo(as_json(state))
        return True
    lists = {name: getattr(state, name) for name in ("owed", *_WAITS)}
    _print_figures(
        {
            "until": state.until,
            "sessions": state.sessions,
            "packages": state.packages,
            **{name: len(rows) for name, rows in lists.items()},
            "unpriced": state.unpriced,
            **{f"total_minor {name}": total for name, total in sorted(state.totals_minor.items())},
        }
    )
    _print_rows("Owed", lists.pop("owed"), _OWED)
    for name, rows in lists.items():
        _print_rows(name.replace("_", " for ").capitalize(), rows, _WAITS[name])
    return True


def _print_figures(figures: Mapping[str, Any]) -> None:
    print_table(
        [{"figure": name, "value": value} for name, value in figures.items()], ("figure", "value")
    )


def _print_rows(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    if not rows:
        return
    print_table(rows[:_ROWS_MAX], columns, title)
    if len(rows) > _ROWS_MAX:
        say(f"{title}: {len(rows) - _ROWS_MAX} more rows; `--output json` has them all.")
