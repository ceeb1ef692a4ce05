"""The verb: wait until the pipeline has finished what is there, compare, say what was found."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click
import psycopg

from operations.failures import PROBLEM, UnreachableError
from operations.instants import Instant
from operations.output import as_json, output_option, print_table_or_json, say
from operations.reconcile.comparison import Scope, compare
from operations.reconcile.delivery import find_undelivered
from operations.reconcile.positions import KafkaPositions, Positions
from operations.reconcile.report import Reconciliation, reconciliation
from operations.reconcile.settings import ReconcileSettings
from operations.reconcile.stages import wait_for_progress
from operations.settings import Settings, load_settings
from stream_processors.groups import PROCESSORS_GROUP

_FIGURES = (
    "events", "expected", "billed", "missing", "failed", "duplicate", "mismatched", "repriced",
    "undelivered", "conflicts", "waiting", "decided", "loss_percent", "error_percent", "verdict",
)  # fmt: skip


@click.command()
@click.option("--since", type=Instant(), help="Only bills that fell due at this time or later.")
@click.option("--until", type=Instant(), help="Only bills that fell due before this time.")
@output_option
@click.pass_context
def reconcile(
    ctx: click.Context, since: datetime | None, until: datetime | None, output: str
) -> None:
    """Compare the ledger with what the events say should be in it.

    Safe on live traffic: a bill counts as missing only once the processors have passed every
    event that it needs; until then it is waiting. Exit code 0 if the verdict is clean, 1 if not.

    A bill falls due with the last event that it needs: --since and --until compare that event's
    created_at. For a package that is the event which made its last session billable.
    """
    if since is not None and until is not None and since >= until:
        raise click.UsageError("--since must be before --until.")
    found = reconcile_now(load_settings(), since, until)
    for warning in found.warnings:
        say(f"Warning: {warning}")
    if output == "json":
        click.echo(as_json(found))
    else:
        _print_tables(found)
    if found.verdict != "clean":
        ctx.exit(PROBLEM)


def reconcile_now(
    settings: Settings, since: datetime | None = None, until: datetime | None = None
) -> Reconciliation:
    """Reconcile the system that the settings name; raises UnreachableError as `reconcile_once`."""
    patience = ReconcileSettings()
    return reconcile_once(
        settings.need("database_url"),
        KafkaPositions(settings.need("kafka_bootstrap_servers"), patience.kafka_timeout_seconds),
        patience,
        since=since,
        until=until,
    )


def reconcile_once(
    database_url: str,
    positions: Positions,
    patience: ReconcileSettings,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Reconciliation:
    """Reconcile now. Raises UnreachableError where the database or Kafka does not answer."""
    progress = wait_for_progress(positions, PROCESSORS_GROUP, patience.wait_seconds)
    late = list(progress.late)
    try:
        with psycopg.connect(database_url, autocommit=True, connect_timeout=10) as connection:
            delivery = find_undelivered(
                connection, positions, patience.delivery_grace_seconds, patience.wait_seconds
            )
            outcomes = compare(
                connection,
                Scope(
                    judged=progress.judged,
                    undelivered=sorted(delivery.undelivered),
                    lagging=progress.lagging,
                    since=since,
                    until=until,
                    details_max=patience.details_max,
                ),
            )
    except psycopg.OperationalError as error:
        raise UnreachableError(
            f"The database cannot be read: {str(error).strip()}. `outbox status` shows whether "
            "postgres runs, `outbox up` starts it."
        ) from error
    if delivery.late is not None:
        late.append(delivery.late)
    return reconciliation(
        outcomes,
        warnings=[passage.warning for passage in late],
        fault=any(passage.stands_still for passage in late),
    )


def _print_tables(found: Reconciliation) -> None:
    figures = asdict(found)
    print_table_or_json(
        [{"figure": name, "value": figures[name]} for name in _FIGURES],
        "table",
        ("figure", "value"),
    )
    if found.waiting_for:
        waits = [f"{count} for {what}" for what, count in found.waiting_for.items()]
        say(f"Waiting: {', '.join(waits)}.")
    if found.conflicts:
        say(
            f"{found.conflicts} bills were posted before events that contradict them: see "
            "`outbox exceptions list --status failed --reason ledger_conflict`."
        )
    if found.details:
        columns = ("fault", "reason", "of", "ledger", "event", "exception")
        print_table_or_json([_named(detail) for detail in found.details], "table", columns)
    if found.details_left_out:
        say(
            f"{found.details_left_out} more are counted and not shown: set "
            "OUTBOX_RECONCILE_DETAILS_MAX, or narrow it with --since and --until."
        )


def _named(detail: Mapping[str, Any]) -> dict[str, Any]:
    subject = f"{detail['kind']} {detail['subject']}" if "subject" in detail else None
    return {
        "fault": detail["fault"],
        "reason": detail["reason"],
        "of": subject or detail["aggregate_id"],
        "ledger": detail.get("ledger_id") or detail.get("ledger_ids"),
        "event": detail.get("event_id") or detail.get("source_event_id"),
        "exception": detail.get("exception_id"),
    }
