"""Keeps the connectors running.

Kafka Connect never starts a failed task again, not even one that only met its database during a
restart. This process does, without limit, and through the same check as every other start: a
connector whose slot lost its place stays down, and this process is unhealthy until a person acts.

A connector that runs and whose slot nobody reads has lost its link to PostgreSQL. Debezium tries
again by itself, without end and without a word of it in its state, so this process is unhealthy.

A connector that is stopped was being started when whoever did so died or lost its database: no
verb leaves it so. It is started too, but only when it stayed so for longer than a verb takes.
"""

import threading
import time
from dataclasses import dataclass, field

import structlog

from connectors.apply import PAUSED, STOPPED, Overview, Site, overview, start
from connectors.client import ConnectorStatus
from connectors.errors import ConnectorError
from connectors.plan import RUNNING
from operations.connector_sites import connector_sites
from operations.keeper.watch import LOOK_SECONDS

START_SECONDS = 30.0
STOPPED_SECONDS = 30.0
# A task that starts, or that a server's restart broke off, reads again within these.
UNREAD_SECONDS = 5.0
# Nor does it by itself after that: a task that was given up while it started (Kafka went away just
# then) and ends later overwrites, in Connect's status, that its successor has failed.
UNREAD_TOO_LONG_SECONDS = 30.0
# Running, or idling because a person said so.
CONTENT = (RUNNING, PAUSED)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Restarts:
    """How often a connector was started again; `last_at` in seconds since 1970."""

    count: int
    last_at: float


@dataclass(slots=True)
class Keeper:
    """Looks after all connectors; `faults` says what is wrong with which, by name.

    `restarts`: those that it started again since it began itself.
    running: whether connector and task run, by name; what Connect does not tell runs not.
    """

    stopping: threading.Event = field(default_factory=threading.Event)
    faults: dict[str, str] = field(default_factory=dict)
    restarts: dict[str, Restarts] = field(default_factory=dict)
    running: dict[str, bool] = field(default_factory=dict)
    looked_at: float = field(default_factory=time.monotonic)
    stopped_since: dict[str, float] = field(default_factory=dict)
    unread_since: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        """Look every two seconds until `stopping` is set."""
        while not self.stopping.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        """Look at every connector once; start what may be started, note what is wrong."""
        try:
            with connector_sites(START_SECONDS) as sites:
                for site in sites:
                    self._look_at(site)
        except ConnectorError as error:
            self._note("connect", str(error))
        else:
            self.faults.pop("connect", None)
        self.looked_at = time.monotonic()

    def _look_at(self, site: Site) -> None:
        name = site.definition.name
        try:
            seen = overview(site)
            if self._must_be_started(name, seen.status) or self._is_left_unread(name, seen):
                self.running[name] = False
                start(site)
                self.unread_since.pop(name, None)
                earlier = self.restarts.get(name)
                count = 1 if earlier is None else earlier.count + 1
                self.restarts[name] = Restarts(count, time.time())
                _log.warning("connector_started_again", connector=name, count=count)
                seen = overview(site)
        except ConnectorError as error:
            self.running[name] = False
            self._note(name, str(error))
            return
        self.running[name] = seen.status is not None and seen.status.is_all(RUNNING)
        if seen.fault is not None:
            self._note(name, seen.fault)
        elif seen.status is None or not any(seen.status.is_all(state) for state in CONTENT):
            self._note(name, "is not running: see `outbox connectors status`")
        elif seen.status.is_all(RUNNING) and self._is_unread(name, seen):
            self._note(
                name,
                f"runs, but nobody has read its slot {seen.source.slot_name} for more than "
                f"{UNREAD_SECONDS:.0f} s: see what is between Kafka Connect and PostgreSQL",
            )
        else:
            self.faults.pop(name, None)

    def _is_unread(self, name: str, seen: Overview) -> bool:
        """Whether nobody has read the slot of a running connector for longer than is usual."""
        if seen.healthy:
            self.unread_since.pop(name, None)
            return False
        since = self.unread_since.setdefault(name, time.monotonic())
        return time.monotonic() - since > UNREAD_SECONDS

    def _is_left_unread(self, name: str, seen: Overview) -> bool:
        """Whether Connect says that it runs and does nothing about a slot that nobody reads."""
        since = self.unread_since.get(name)
        runs = seen.status is not None and seen.status.is_all(RUNNING)
        if not runs or seen.healthy or seen.fault is not None or since is None:
            return False
        return time.monotonic() - since > UNREAD_TOO_LONG_SECONDS

    def _must_be_started(self, name: str, status: ConnectorStatus | None) -> bool:
        """Whether a connector failed, or is stopped for longer than a verb leaves it so."""
        if status is None or status.state != STOPPED:
            self.stopped_since.pop(name, None)
            return status is not None and bool(status.failures)
        since = self.stopped_since.setdefault(name, time.monotonic())
        return time.monotonic() - since >= STOPPED_SECONDS

    def _note(self, name: str, fault: str) -> None:
        if self.faults.get(name) != fault:
            _log.error("connector_fault", connector=name, fault=fault)
        self.faults[name] = fault
