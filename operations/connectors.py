"""`outbox connectors`: what Kafka Connect runs, and whether it may."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import click

from connectors.apply import Overview, Site, apply, overview, plan_site, read
from connectors.plan import ActionKind
from connectors.position import format_lsn, publication_fault
from connectors.renewal import renew_slot
from infra.postgres.migrate import ensure_slot
from infra.postgres.objects import HOME
from operations.actions import by_option
from operations.command_line import Group
from operations.connector_acts import (
    apply_definition,
    delete_connector,
    pause_connector,
    record_recovery,
    restart_connector,
    restart_if_failed,
    resume_connector,
)
from operations.connector_conditions import errors, slot_state
from operations.connector_sites import TIMEOUT_SECONDS, connector_sites
from operations.failures import PROBLEM
from operations.output import as_json, output_option, print_table, print_table_or_json, say
from operations.recovery import make_publication, send_undelivered
from operations.settings import load_settings

PUBLICATION = HOME / "publications" / "outbox_events.sql"

timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=TIMEOUT_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for each state.",
)


@click.group(cls=Group, examples=("outbox connectors status", "outbox connectors plan"))
def connectors() -> None:
    """Plan, apply and steer the connectors that carry events from PostgreSQL to Kafka."""


@connectors.command(
    "plan", examples=("outbox connectors plan", "outbox connectors plan --output json")
)
@output_option
@click.pass_context
def plan_verb(ctx: click.Context, output: str) -> None:
    """Show how the definitions differ from what runs, and change nothing.

    Exit code 0 if nothing is to be done, 1 if something is, or if starting would lose events.
    """
    with connector_sites() as sites:
        actions = [(plan_site(site), overview(site).fault) for site in sites]
    if output == "json":
        click.echo(as_json([{**asdict(action), "fault": fault} for action, fault in actions]))
    else:
        rows = [
            {"connector": action.connector, "action": str(action.kind), **asdict(change)}
            for action, _ in actions
            for change in action.changes
        ]
        if rows:
            print_table(rows, ("connector", "action", "key", "old", "new"))
    for action, fault in actions:
        if action.kind is ActionKind.NOTHING:
            say(f"{action.connector} runs as defined.")
        if fault is not None:
            say(fault)
    if any(action.kind is not ActionKind.NOTHING or fault for action, fault in actions):
        ctx.exit(PROBLEM)


@connectors.command(
    "apply", examples=("outbox connectors apply", "outbox connectors apply --timeout 120")
)
@timeout_option
@by_option
@output_option
def apply_verb(timeout: float, actor: str, output: str) -> None:
    """Make Connect run what the definitions say, and wait until it does.

    What is paused, stopped or failed is started again. Refused where starting would lose events.
    """
    with connector_sites(timeout) as sites:
        rows = [
            {"connector": action.connector, "action": str(action.kind), "state": "RUNNING"}
            for action in (apply_definition(site, actor) for site in sites)
        ]
    print_table_or_json(rows, output, ("connector", "action", "state"))


@connectors.command("status", examples=("outbox connectors status",))
@output_option
@click.pass_context
def status_verb(ctx: click.Context, output: str) -> None:
    """Show connectors, tasks, slots, and how far each is behind.

    Exit code 0 if every connector runs and reads its slot, 1 otherwise.
    """
    with connector_sites() as sites:
        overviews = [overview(site) for site in sites]
    columns = ("connector", "state", "tasks", "worker", "slot", "lag_bytes", "kept_bytes")
    print_table_or_json([_status_row(seen) for seen in overviews], output, columns)
    for seen in overviews:
        if output == "table":
            for line in errors(seen):
                say(f"{seen.name}: {line}")
        if seen.fault is not None:
            say(seen.fault)
    if not all(seen.healthy for seen in overviews):
        ctx.exit(PROBLEM)


@connectors.command("pause", examples=("outbox connectors pause",))
@timeout_option
@by_option
def pause_verb(timeout: float, actor: str) -> None:
    """Let the connectors idle. Events wait in PostgreSQL, whose log grows meanwhile."""
    _each(timeout, actor, pause_connector, "is paused; `outbox connectors resume` lets it go on")


@connectors.command("resume", examples=("outbox connectors resume",))
@timeout_option
@by_option
def resume_verb(timeout: float, actor: str) -> None:
    """Let paused or stopped connectors go on, if the slot still has their place."""
    _each(timeout, actor, resume_connector, "is running and reads its slot")


@connectors.command(
    "restart", examples=("outbox connectors restart", "outbox connectors restart --failed-only")
)
@click.option("--failed-only", is_flag=True, help="Leave alone what has not failed.")
@timeout_option
@by_option
def restart_verb(timeout: float, actor: str, *, failed_only: bool) -> None:
    """Stop and start the connectors, if the slot still has their place."""
    if not failed_only:
        _each(timeout, actor, restart_connector, "is running and reads its slot")
        return
    with connector_sites(timeout) as sites:
        for site in sites:
            restarted = restart_if_failed(site, actor)
            say(f"{site.definition.name} {'was started again' if restarted else 'has not failed'}.")


@connectors.command(
    "recover", examples=("outbox connectors recover", "outbox connectors recover --by anna")
)
@timeout_option
@by_option
@output_option
def recover_verb(timeout: float, actor: str, output: str) -> None:
    """Send every event that never reached Kafka, after making what the connector needs anew.

    A slot or publication that cannot be trusted is made again; one that can is kept. The events are
    sent before the connector starts, so that each aggregate keeps its order. What arrives twice is
    billed once. Broken off, it can be called again.
    """
    settings = load_settings()
    admin_url, owner_url = settings.need("admin_database_url"), settings.need("database_url")
    brokers = settings.brokers()
    renewed: list[str] = []
    sent = 0

    def send() -> None:
        nonlocal sent
        sent = send_undelivered(owner_url, brokers, lambda count: say(f"{count} events sent"))

    with connector_sites(timeout) as sites:
        for site in sites:
            fault, slot = overview(site).fault, site.definition.slot_name
            record_recovery(site, actor, fault)
            if fault is None:
                send()
                apply(site)
            else:
                say(f"Replication slot {slot} is made anew, once open transactions have ended.")
                renew_slot(site, admin_url, partial(_make_slot, site, admin_url, owner_url), send)
                renewed.append(slot)
                say(f"Replication slot {slot} is new and is read.")
    rows = [{"new_slots": renewed, "sent_again": sent}]
    print_table_or_json(rows, output, ("new_slots", "sent_again"))


def _make_slot(site: Site, admin_url: str, owner_url: str) -> None:
    if publication_fault(read(site)) is not None:
        make_publication(admin_url, owner_url, PUBLICATION.read_text(encoding="utf-8"))
    ensure_slot(admin_url)


@connectors.command("delete", examples=("outbox connectors delete --yes",))
@click.option("--yes", is_flag=True, help="Confirm: no event reaches Kafka without a connector.")
@timeout_option
@by_option
def delete_verb(timeout: float, actor: str, *, yes: bool) -> None:
    """Remove the connectors from Connect. Their slots and stored positions stay."""
    if not yes:
        raise click.UsageError(
            "Deleting stops the delivery of events until `outbox connectors apply`. Say --yes."
        )
    _each(
        timeout,
        actor,
        delete_connector,
        "is deleted. Its replication slot stays and keeps all WAL from now on: apply again before"
        " the disk or max_slot_wal_keep_size is reached, or drop the slot",
    )


def _each(timeout: float, actor: str, change: Callable[[Site, str], None], outcome: str) -> None:
    with connector_sites(timeout) as sites:
        for site in sites:
            change(site, actor)
            say(f"{site.definition.name} {outcome}.")


def _status_row(seen: Overview) -> dict[str, Any]:
    status, slot = seen.status, seen.source.slot
    tasks = () if status is None else status.tasks
    return {
        "connector": seen.name,
        "healthy": seen.healthy,
        "state": "absent" if status is None else status.state,
        "tasks": [task.state for task in tasks],
        "worker": ", ".join(sorted({task.worker for task in tasks})),
        "errors": errors(seen),
        "slot": slot_state(seen.source),
        "lag_bytes": None if slot is None else slot.lag_bytes,
        "kept_bytes": None if slot is None else slot.kept_bytes,
        "stored_position": None if seen.stored is None else format_lsn(seen.stored),
        "fault": seen.fault,
    }
