"""What the keeper tells Prometheus: what it saw at its last look, while that is not long ago."""

from collections.abc import Iterable, Mapping

from prometheus_client.metrics_core import Metric

from operations.keeper.books import Books
from operations.keeper.delivery import Delivery
from operations.keeper.watch import Watch
from stream_processors.engine.metrics import Samples, gauge, known

NAMED_FAULTS = ("connect", "postgres", "kafka", "delivery", "billing")
"""Beside those that are called as a connector is."""


def pending_gauges(delivery: Delivery, watch: Watch) -> list[Metric]:
    """Return what waits between PostgreSQL and Kafka; nothing while that is not known."""
    pending = delivery.pending if watch.sees else None
    return [
        gauge(
            "outbox_pending_events",
            "Events that were committed and not seen in Kafka; of more than 5,000 only so many.",
            (),
            known(None if pending is None else pending.events),
        ),
        gauge(
            "outbox_oldest_pending_seconds",
            "For how long the oldest of them waits at least, since it was first noticed.",
            (),
            known(None if pending is None else pending.oldest_seconds),
        ),
    ]


def books_gauges(books: Books, watch: Watch) -> list[Metric]:
    """Return what PostgreSQL's books tell; nothing while that is not known."""
    figures = books.figures if watch.sees else None
    slots = {} if figures is None else figures.slots
    return [
        gauge(
            "outbox_billing_exceptions",
            "Exceptions that are open: retrying by themselves, or failed and for a person.",
            ("reason", "status"),
            {} if figures is None else figures.exceptions,
        ),
        gauge(
            "outbox_overdue_exceptions",
            "Exceptions that have been open for more than 24 hours.",
            (),
            known(None if figures is None else figures.overdue),
        ),
        gauge(
            "outbox_slot_active",
            "Whether somebody reads the replication slot.",
            ("slot",),
            {(name,): float(slot.active) for name, slot in slots.items()},
        ),
        gauge(
            "outbox_slot_retained_wal_bytes",
            "Write-ahead log that the server keeps for a slot.",
            ("slot",),
            _sizes((name, slot.retained_bytes) for name, slot in slots.items()),
        ),
        gauge(
            "outbox_slot_safe_wal_bytes",
            "How much log may be written until a slot may be lost; no sample without a limit.",
            ("slot",),
            _sizes((name, slot.safe_bytes) for name, slot in slots.items()),
        ),
        gauge(
            "outbox_default_partition_rows",
            "Rows of days that have no partition of their own; of more than 10,000 only so many.",
            ("table",),
            {} if figures is None else _of_one_label(figures.default_rows),
        ),
    ]


def fault_gauges(running: Mapping[str, bool], faults: Mapping[str, str]) -> list[Metric]:
    """Return which connectors run, and what is wrong by name, as the page /health says it."""
    names = (*NAMED_FAULTS, *running, *faults)
    return [
        gauge(
            "outbox_connector_running",
            "Whether the connector and its task run; 0 also while Kafka Connect does not tell.",
            ("connector",),
            _of_one_label(running),
        ),
        gauge(
            "outbox_faults",
            "Whether something is wrong, by the name that it has on the page /health.",
            ("name",),
            {(name,): float(name in faults) for name in names},
        ),
    ]


def _of_one_label(values: Mapping[str, float]) -> Samples:
    return {(name,): float(value) for name, value in values.items()}


def _sizes(sizes: Iterable[tuple[str, int | None]]) -> Samples:
    """Return a sample for each size that is known."""
    return {(name,): float(size) for name, size in sizes if size is not None}
