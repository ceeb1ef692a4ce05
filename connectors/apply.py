"""Bring a connector into the state that is asked for, and never onto a slot that lost its place.

Every way to start one goes through start(): it is stopped first, so that its last offset is stored
and nothing moves; then slot and offset are compared; then it is resumed, and watched until the slot
is being read. Why: docs/decisions/0004-a-lost-slot-is-refused.md.
"""

from dataclasses import dataclass
from pathlib import Path

from connectors.client import ConnectClient, ConnectorStatus
from connectors.definition import Definition, load_definitions
from connectors.errors import DefinitionInvalidError, PositionUntrustedError
from connectors.plan import RUNNING, Action, ActionKind, Actual, plan
from connectors.position import Source, source_fault, starting_offset, stored_position
from connectors.source import read_source
from connectors.waiting import wait_until

FAILED = "FAILED"
PAUSED = "PAUSED"
STOPPED = "STOPPED"


@dataclass(frozen=True, slots=True)
class Site:
    """One connector, the Connect cluster that runs it, and the database that it reads.

    database_url serves to look at slot and publication; any role that may log in will do.
    timeout_seconds bounds each wait for a state.
    """

    client: ConnectClient
    definition: Definition
    database_url: str
    timeout_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Overview:
    """A connector's condition. status: None where Connect has no such connector.

    stored: its stored log position; fault: why it must not go on from there, if it must not.
    """

    name: str
    status: ConnectorStatus | None
    source: Source
    stored: int | None
    fault: str | None

    @property
    def healthy(self) -> bool:
        """Whether events flow, as far as the states tell."""
        running = self.status is not None and self.status.is_all(RUNNING)
        return running and self.fault is None and _is_read(self.source)


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
    actual = {}
    if config is not None and status is not None:
        actual[name] = Actual(config, FAILED if status.failures else status.state)
    (action,) = plan({name: site.definition.config}, actual)
    return action


def apply(site: Site) -> Action:
    """Create or change the connector as defined, start it, and return what was done.

    A connector that runs as defined is left alone; one that was paused or stopped is resumed, and
    one whose task failed is started again.
    """
    name = site.definition.name
    action = plan_site(site)
    if action.kind is ActionKind.NOTHING:
        # It runs: read later than the end of the WAL, its position could lie beyond that.
        stored = _stored(site)
        _refuse_fault(read(site), stored)
        _wait_until_it_reads(site)
        return action
    if action.kind is ActionKind.CREATE:
        _refuse_fault(read(site), stored=None)
        create_if_missing(site)
    else:
        _refuse_invalid(site)
        stop(site)
        site.client.put_config(name, site.definition.config)
    start(site)
    return action


def create_if_missing(site: Site) -> None:
    """Give Connect the connector, stopped, unless it has it."""
    if site.client.config(site.definition.name) is None:
        _refuse_invalid(site)
        site.client.create_stopped(site.definition.name, site.definition.config)


def start(site: Site) -> None:
    """Stop the connector, check its position, resume it, and wait until it reads the slot."""
    name = site.definition.name
    # While it may still run: were the database away, it would be stopped and not started again.
    read(site)
    stop(site)
    source, stored = read(site), _stored(site)
    _refuse_fault(source, stored)
    if stored is None and source.slot is not None:
        # With an offset from the first start on, Debezium itself refuses a slot that is gone.
        offset = starting_offset(source.slot.confirmed_flush_lsn or 0)
        site.client.set_offset(name, site.definition.source_partition, offset)
    site.client.resume(name)
    _wait_until_it_reads(site)


def stop(site: Site) -> None:
    """End the tasks, their offsets stored; the connector stays defined."""
    site.client.stop(site.definition.name)
    wait_until(
        site.client,
        site.definition.name,
        STOPPED,
        lambda status: status is not None and status.state == STOPPED and not status.tasks,
        site.timeout_seconds,
    )


def pause(site: Site) -> None:
    """Let the connector idle; the slot keeps WAL meanwhile."""
    site.client.pause(site.definition.name)
    wait_until(
        site.client,
        site.definition.name,
        PAUSED,
        lambda status: status is not None and status.is_all(PAUSED),
        site.timeout_seconds,
        failure_ends=True,
    )


def delete(site: Site) -> None:
    """Remove the connector from Connect. The slot stays and keeps WAL; the offset stays too."""
    site.client.delete(site.definition.name)
    wait_until(
        site.client,
        site.definition.name,
        "gone",
        lambda status: status is None,
        site.timeout_seconds,
    )


def overview(site: Site) -> Overview:
    """Look at connector, offset, slot and publication, changing nothing."""
    status = site.client.status(site.definition.name)
    stored = None if status is None else _stored(site)
    source = read(site)
    return Overview(site.definition.name, status, source, stored, source_fault(source, stored))


def read(site: Site) -> Source:
    """Look at slot and publication as they are now."""
    definition = site.definition
    return read_source(
        site.database_url, definition.slot_name, definition.publication_name, definition.table
    )


def _is_read(source: Source) -> bool:
    return source.slot is not None and source.slot.active


def _refuse_invalid(site: Site) -> None:
    config = {"name": site.definition.name, **site.definition.config}
    objections = site.client.invalid_values(site.definition.connector_class, config)
    if objections:
        listed = "\n".join(f"  {objection}" for objection in objections)
        raise DefinitionInvalidError(
            f"Connector {site.definition.name} is left as it is, because its class rejects the"
            f" definition:\n{listed}"
        )


def _refuse_fault(source: Source, stored: int | None) -> None:
    fault = source_fault(source, stored)
    if fault is not None:
        raise PositionUntrustedError(fault)


def _stored(site: Site) -> int | None:
    offset = site.client.offset(site.definition.name, site.definition.source_partition)
    return None if offset is None else stored_position(offset)


def _wait_until_it_reads(site: Site) -> None:
    wait_until(
        site.client,
        site.definition.name,
        "RUNNING and reading its slot",
        lambda status: status is not None and status.is_all(RUNNING) and _is_read(read(site)),
        site.timeout_seconds,
        failure_ends=True,
    )
