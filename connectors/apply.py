"""Bring connectors into the state that is asked for, and never onto a slot that lost its place.

Every way to start a connector goes through start(): stopped first, so that its last offset is
stored and nothing moves; then slot and offset are compared; then it is resumed, and watched until
the slot is being read.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from connectors.client import ConnectClient, ConnectorStatus
from connectors.definition import Definition, load_definitions
from connectors.errors import (
    ConnectorFailedError,
    ConnectorTimeoutError,
    ConnectRefusedError,
    ConnectUnreachableError,
    DefinitionInvalidError,
    PositionUntrustedError,
)
from connectors.plan import RUNNING, Action, ActionKind, Actual, plan
from connectors.position import Slot, position_fault, starting_offset, stored_position
from connectors.slots import read_slot
from connectors.traces import causes

_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Site:
    """One connector, the Connect cluster that runs it, and the database that it reads.

    database_url serves to look at the replication slot; any role that may log in will do.
    timeout_seconds bounds each wait for a state.
    """

    client: ConnectClient
    definition: Definition
    database_url: str
    timeout_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Overview:
    """A connector's condition: None where there is no connector, or no slot."""

    name: str
    status: ConnectorStatus | None
    slot: Slot | None
    stored: int | None
    fault: str | None


def apply_connectors(
    connect_url: str,
    database_url_for_slot_check: str,
    secrets_file: Path,
    timeout_seconds: float = 60.0,
) -> None:
    """Make Connect run every definition, and return once each of them reads its slot.

    The replication slots must exist. secrets_file: see definition.load_definitions. Raises a
    ConnectorError: PositionUntrustedError where going on would lose events, ConnectorFailedError
    with the task's own causes, and so on; see errors.py.
    """
    with ConnectClient(connect_url) as client:
        for definition in load_definitions(secrets_file):
            apply(Site(client, definition, database_url_for_slot_check, timeout_seconds))


def plan_site(site: Site) -> Action:
    """Say what apply would do, changing nothing."""
    name = site.definition.name
    config, status = site.client.config(name), site.client.status(name)
    actual = {} if config is None or status is None else {name: Actual(config, status.state)}
    (action,) = plan({name: site.definition.config}, actual)
    return action


def apply(site: Site) -> Action:
    """Create or change the connector as defined, start it, and return what was done.

    A connector that runs as defined is left alone; one that was paused or stopped is resumed, and
    one whose task failed is started again.
    """
    name = site.definition.name
    action = plan_site(site)
    if action.kind is ActionKind.NOTHING and _is_reading(site):
        return action
    _refuse_invalid(site)
    if action.kind is ActionKind.CREATE:
        _check_slot(site, stored=None)
        site.client.create_stopped(name, site.definition.config)
    else:
        _stop(site)
        site.client.put_config(name, site.definition.config)
    start(site)
    return action


def start(site: Site) -> None:
    """Stop the connector, check its position, resume it, and wait until it reads the slot."""
    name = site.definition.name
    _stop(site)
    slot, stored = read_slot(site.database_url, site.definition.slot_name), _stored(site)
    _raise(position_fault(site.definition.slot_name, slot, stored))
    if stored is None and slot is not None and slot.confirmed_flush_lsn is not None:
        # With an offset from the start, Debezium itself refuses a slot that is gone.
        site.client.set_offset(
            name, site.definition.source_partition, starting_offset(slot.confirmed_flush_lsn)
        )
    site.client.resume(name)
    _wait(site, RUNNING, lambda status: status.is_all(RUNNING) and _slot_is_read(site))


def pause(site: Site) -> None:
    """Let the connector idle; the slot keeps WAL meanwhile."""
    site.client.pause(site.definition.name)
    _wait(site, "PAUSED", lambda status: status.is_all("PAUSED"))


def delete(site: Site) -> None:
    """Remove the connector from Connect. The slot stays and keeps WAL; the offset stays too."""
    site.client.delete(site.definition.name)
    deadline = time.monotonic() + site.timeout_seconds
    while site.client.status(site.definition.name) is not None:
        if time.monotonic() >= deadline:
            raise ConnectorTimeoutError(
                f"Connector {site.definition.name} was still there {site.timeout_seconds:g} s after"
                " Connect accepted its deletion. Look at Connect's log, then delete again."
            )
        time.sleep(_POLL_SECONDS)


def overview(site: Site) -> Overview:
    """Look at connector, offset and slot, changing nothing."""
    name = site.definition.name
    status = site.client.status(name)
    stored = None if status is None else _stored(site)
    slot = read_slot(site.database_url, site.definition.slot_name)
    fault = position_fault(site.definition.slot_name, slot, stored)
    return Overview(name, status, slot, stored, fault)


def _is_reading(site: Site) -> bool:
    status = site.client.status(site.definition.name)
    return status is not None and status.is_all(RUNNING) and _slot_is_read(site)


def _slot_is_read(site: Site) -> bool:
    slot = read_slot(site.database_url, site.definition.slot_name)
    return slot is not None and slot.active


def _refuse_invalid(site: Site) -> None:
    config = {"name": site.definition.name, **site.definition.config}
    objections = site.client.invalid_values(site.definition.connector_class, config)
    if objections:
        listed = "\n".join(f"  {objection}" for objection in objections)
        raise DefinitionInvalidError(
            f"Connector {site.definition.name} is left as it is, because its class rejects the"
            f" definition:\n{listed}"
        )


def _check_slot(site: Site, stored: int | None) -> None:
    slot = read_slot(site.database_url, site.definition.slot_name)
    _raise(position_fault(site.definition.slot_name, slot, stored))


def _raise(fault: str | None) -> None:
    if fault is not None:
        raise PositionUntrustedError(fault)


def _stored(site: Site) -> int | None:
    offset = site.client.offset(site.definition.name, site.definition.source_partition)
    return None if offset is None else stored_position(offset)


def _stop(site: Site) -> None:
    site.client.stop(site.definition.name)
    _wait(site, "STOPPED", lambda status: status.state == "STOPPED" and not status.tasks)


def _wait(site: Site, state: str, reached: Callable[[ConnectorStatus], bool]) -> None:
    """Wait for a state; a failure ends the wait at once, unless it is being stopped."""
    name = site.definition.name
    deadline = time.monotonic() + site.timeout_seconds
    status: ConnectorStatus | None = None
    while True:
        try:
            status = site.client.status(name)
        except ConnectUnreachableError:
            if time.monotonic() >= deadline:
                raise
        if status is not None:
            if reached(status):
                return
            if status.failures and state == RUNNING:
                raise ConnectorFailedError(_failure(name, status))
        if time.monotonic() >= deadline:
            raise ConnectorTimeoutError(_timeout(name, state, status, site.timeout_seconds))
        time.sleep(_POLL_SECONDS)


def _failure(name: str, status: ConnectorStatus) -> str:
    reasons = "\n".join(f"  {cause}" for trace in status.failures for cause in causes(trace))
    return (
        f"Connector {name} failed:\n{reasons}\nRemove the cause, then run `outbox connectors apply`"
        " again."
    )


def _timeout(name: str, state: str, status: ConnectorStatus | None, seconds: float) -> str:
    if status is None:
        seen = "Connect knows no such connector yet"
    else:
        tasks = ", ".join(f"task {task.number} {task.state}" for task in status.tasks) or "no task"
        seen = f"connector {status.state}, {tasks}"
    return (
        f"Connector {name} was not {state} after {seconds:g} s ({seen}). Look at Connect's log for"
        " what it waits for; `outbox connectors status` shows the slot."
    )


def refuse_unknown(site: Site) -> None:
    """Raise ConnectRefusedError if Connect does not have the connector."""
    if site.client.config(site.definition.name) is None:
        raise ConnectRefusedError(
            f"Connect has no connector {site.definition.name}. Run `outbox connectors apply` first."
        )
