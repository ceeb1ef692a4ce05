"""The verb: maintain, and say what was dropped, what was kept, and why."""

from dataclasses import asdict
from typing import Any

import click
import psycopg

from operations.command_line import Command
from operations.failures import PROBLEM
from operations.maintain.maintenance import maintain_database
from operations.maintain.report import Maintenance
from operations.maintain.settings import MaintainSettings
from operations.output import as_json, output_option, print_table_or_json, say
from operations.settings import Settings, load_settings

_FIGURES = ("partitions_made", "archived", "strays_moved", "receipts_swept")


@click.command(
    cls=Command,
    examples=(
        "outbox maintain",
        "OUTBOX_MAINTAIN_RETENTION_DAYS=90 outbox maintain",
    ),
)
@output_option
@click.pass_context
def maintain(ctx: click.Context, output: str) -> None:
    """Make the partitions of coming days, archive and drop old days, and seal the ledger.

    Safe beside traffic, twice at once, and killed at any moment: the next run goes on. A day with
    an event that Kafka has not had is kept and named, and the exit code is 1.
    OUTBOX_MAINTAIN_RETENTION_DAYS (30) says how long a day stays. `seal` is the head of the chain
    of seals: kept outside of the database, it lets `outbox ledger verify` find what a superuser
    altered.
    """
    done = maintain_now(load_settings())
    if output == "json":
        click.echo(as_json(as_data(done)))
    else:
        _print_tables(done)
    for warning in done.warnings:
        say(f"Warning: {warning}")
    for message in (*(day.message for day in done.kept), *done.faults):
        say(message)
    if not done.fine:
        ctx.exit(PROBLEM)


def maintain_now(settings: Settings) -> Maintenance:
    """Maintain the database that the settings name, and say on standard error how it goes.

    Raises ProblemError and psycopg.Error as maintain_database does.
    """
    url = settings.need("database_url")
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        return maintain_database(connection, MaintainSettings(), say)


def as_data(done: Maintenance) -> dict[str, Any]:
    """Return everything, with the advice for each day that was kept."""
    advised = [{**asdict(day), "message": day.message} for day in done.kept]
    return {**asdict(done), "kept": advised, "fine": done.fine}


def _print_tables(done: Maintenance) -> None:
    figures: list[dict[str, Any]] = [
        {"figure": name, "value": getattr(done, name)} for name in _FIGURES
    ]
    figures.append({"figure": "days_dropped", "value": len(done.dropped)})
    figures.append({"figure": "days_kept", "value": len(done.kept)})
    if done.seal is not None:
        figures.append({"figure": "seal", "value": done.seal["head"]})
    print_table_or_json(figures, "table", ("figure", "value"))
    days: list[dict[str, Any]] = [{**asdict(day), "outcome": "dropped"} for day in done.dropped]
    days += [{**asdict(day), "outcome": f"kept: {day.reason}"} for day in done.kept]
    if days:
        columns = ("day", "outcome", "events", "locked_milliseconds")
        print_table_or_json(sorted(days, key=lambda row: row["day"]), "table", columns)
