"""The way of an event as the overview shows it: each stage's rate, lag and health. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from infra.local.programs import (
    CONNECT,
    CONNECTOR_KEEPER,
    CONSOLE,
    KAFKA,
    LEDGER_WRITER,
    POSTGRES,
    SCHEDULER,
)
from infra.local.status import ProcessStatus
from operations.console.observing import Look
from operations.console.samples import rate

WORKER_PREFIX = "worker-"
_LAG = "outbox_consumer_lag_records"


class Health(StrEnum):
    """How something is, as far as it is known."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Stage:
    """One box of the picture. `rate` is in things a second; `lag` counts `lag_of`."""

    name: str
    title: str
    does: str
    health: Health
    faults: tuple[str, ...]
    rate: float | None
    rate_of: str
    lag: float | None
    lag_of: str


@dataclass(frozen=True, slots=True)
class Watcher:
    """A process beside the way: it bills nothing."""

    name: str
    does: str
    health: Health
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The whole picture. `faults`: all that is wrong, each once, in words.

    `pending`: events that are committed and not seen in Kafka; None while nobody counts them.
    """

    stages: Sequence[Stage]
    watchers: Sequence[Watcher]
    faults: Sequence[str]
    pending: float | None

    @property
    def health(self) -> Health:
        """Bad where anything is."""
        return Health.BAD if self.faults else Health.GOOD


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is asked of a look and the one before it."""

    last: Look
    before: Look | None

    def processes(self, name: str) -> list[ProcessStatus]:
        """Return the processes of a name; of workers, all of them."""
        return [
            process
            for process in self.last.processes
            if process.name == name
            or (name == WORKER_PREFIX and process.name.startswith(WORKER_PREFIX))
        ]

    def rate(self, process: str, metric: str) -> float | None:
        """Return how fast a counter grows, over all processes of that name."""
        earlier = {} if self.before is None else self.before.samples
        rates = [
            rate(metric, self.last.samples.get(each.name), earlier.get(each.name))
            for each in self.processes(process)
        ]
        known = [each for each in rates if each is not None]
        return sum(known) if known else None

    def total(self, process: str, metric: str) -> float | None:
        """Return what a gauge says now, over all processes of that name."""
        samples = [self.last.samples.get(each.name) for each in self.processes(process)]
        totals = [each.total(metric) for each in samples if each is not None]
        known = [each for each in totals if each is not None]
        return sum(known) if known else None


def pipeline(last: Look, before: Look | None) -> Pipeline:
    """Return the picture of what was seen."""
    seen = _Seen(last, before)
    stages = _stages(seen)
    watchers = _watchers(seen)
    faults = [fault for stage in stages for fault in stage.faults]
    faults += [fault for watcher in watchers for fault in watcher.faults]
    if last.figures is not None and last.figures.now.failed:
        count = last.figures.now.failed
        faults.append(
            f"{count:,} {'exception has' if count == 1 else 'exceptions have'} failed: a person "
            "must look at each."
        )
    return Pipeline(stages, watchers, list(dict.fromkeys(faults)), _pending(seen))


def _stages(seen: _Seen) -> list[Stage]:
    return [_database(seen), _connect(seen), _kafka(seen), _workers(seen), _ledger_writer(seen)]


def _database(seen: _Seen) -> Stage:
    figures = seen.last.figures
    return Stage(
        "insert",
        "domain_events",
        "applications insert, in their own transaction",
        *_judged(seen, POSTGRES, _database_faults(seen.last)),
        rate=None if figures is None else figures.now.events_per_second,
        rate_of="events",
        lag=None,
        lag_of="",
    )


def _connect(seen: _Seen) -> Stage:
    slots = () if seen.last.figures is None else seen.last.figures.slots
    return Stage(
        "connect",
        "Debezium",
        "reads the write-ahead log into Kafka",
        *_judged(seen, CONNECT, _slot_faults(seen.last)),
        rate=seen.rate(LEDGER_WRITER, "outbox_receipts_total"),
        rate_of="events delivered",
        lag=max((slot.lag_bytes or 0 for slot in slots), default=None),
        lag_of="bytes",
    )


def _kafka(seen: _Seen) -> Stage:
    return Stage(
        "kafka",
        "Kafka",
        "keeps each event under its aggregate",
        *_judged(seen, KAFKA),
        rate=None,
        rate_of="",
        lag=_pending(seen),
        lag_of="events on their way here",
    )


def _pending(seen: _Seen) -> float | None:
    return seen.total(CONNECTOR_KEEPER, "outbox_pending_events")


def _workers(seen: _Seen) -> Stage:
    return Stage(
        "workers",
        "Processors",
        "decide what is owed",
        *_judged(seen, WORKER_PREFIX),
        rate=seen.rate(WORKER_PREFIX, "event_processed_total"),
        rate_of="events",
        lag=seen.total(WORKER_PREFIX, _LAG),
        lag_of="records to read",
    )


def _ledger_writer(seen: _Seen) -> Stage:
    figures = seen.last.figures
    return Stage(
        "ledger-writer",
        "Ledger writer",
        "prices and posts",
        *_judged(seen, LEDGER_WRITER),
        rate=None if figures is None else figures.now.entries_per_second,
        rate_of="bills",
        lag=seen.total(LEDGER_WRITER, _LAG),
        lag_of="records to read",
    )


def _watchers(seen: _Seen) -> list[Watcher]:
    beside = (
        (CONNECTOR_KEEPER, "starts failed connectors again; tells what waits"),
        (SCHEDULER, "reconciles each minute, maintains each day"),
        (CONSOLE, "shows these pages"),
    )
    watchers = []
    for name, does in beside:
        health, faults = _judged(seen, name)
        watchers.append(Watcher(name, does, health, faults))
    return watchers


def _judged(seen: _Seen, name: str, more: tuple[str, ...] = ()) -> tuple[Health, tuple[str, ...]]:
    """Return the health of what bears a name, and what is wrong with it."""
    processes = seen.processes(name)
    faults = [*more]
    for process in processes:
        if not process.runs:
            faults.append(f"{process.name} does not run ({process.state}).")
        elif not process.healthy:
            log = f"see {process.log}" if process.log else "see its log"
            faults += process.complaints or (
                f"{process.name} runs and does not do its work: {log}.",
            )
    if not processes:
        return Health.BAD if faults else Health.UNKNOWN, tuple(faults)
    return Health.BAD if faults else Health.GOOD, tuple(faults)


def _database_faults(last: Look) -> tuple[str, ...]:
    if last.figures_fault is None:
        return ()
    return (f"The figures of the database cannot be read: {last.figures_fault}",)


def _slot_faults(last: Look) -> tuple[str, ...]:
    slots = () if last.figures is None else last.figures.slots
    return tuple(
        f"Nobody reads the replication slot {slot.name}: events wait in PostgreSQL, whose log "
        "grows. `outbox connectors status` tells more."
        for slot in slots
        if not slot.active
    )
