"""Every metric that rules, dashboard and documents name exists, and each that exists is told."""

import json
import re
from pathlib import Path
from typing import Any

import psycopg
from prometheus_client import REGISTRY
from prometheus_client.metrics_core import Metric

from operations.keeper.books import Books
from operations.keeper.delivery import Delivery
from operations.keeper.gauges import books_gauges, fault_gauges, pending_gauges
from operations.keeper.watch import Watch
from operations.scheduler.gauges import task_gauges
from stream_processors.engine import counting as worker_counting
from stream_processors.engine.metrics import Exposition
from stream_processors.engine.progress import Progress
from stream_processors.ledger import counting as ledger_counting
from stream_processors.ledger.__main__ import LedgerWriter
from stream_processors.notifications import notifier
from stream_processors.settings import LedgerWriterSettings

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "infra" / "monitoring"
NAME = re.compile(r"\b(?:outbox|event)(?:_[a-z0-9]+)+\b")
# Of one histogram or counter several series come.
SUFFIX = re.compile(r"_(?:bucket|count|sum)$")
RECORDED = re.compile(r"\boutbox:[a-z0-9_]+:[a-z0-9_]+\b")
# Words of this form that are no metrics: labels, columns, views, slots.
NO_METRICS = {"event_type", "outbox_events"}


def nobody_connects() -> psycopg.Connection:
    raise AssertionError


def gauges(directory: Path) -> list[Metric]:
    """The gauges of every process, also those that have no sample."""
    watch = Watch("postgres", dict)
    writer = LedgerWriter(
        LedgerWriterSettings(
            kafka_bootstrap_servers="127.0.0.1:9",
            state_directory=directory,
            health_port=9,
            ledger_writer_database_url="postgresql://nobody@127.0.0.1:9/nothing",
        )
    )
    return [
        *Exposition("one", lambda: True).collect(),
        *Progress("group", ()).gauges(),
        *writer.gauges(),
        *pending_gauges(Delivery(nobody_connects), watch),
        *books_gauges(Books(nobody_connects), watch),
        *fault_gauges({}, {}),
        *task_gauges([]),
    ]


def in_code(directory: Path) -> set[str]:
    assert worker_counting.EVENTS_PROCESSED
    assert ledger_counting.RECEIPTS
    assert notifier.NOTIFICATIONS
    found: list[Any] = [*gauges(directory), *REGISTRY.collect()]
    names = {
        f"{each.name}_total" if each.type == "counter" else each.name
        for each in found
        if not each.name.startswith(("python_", "process_"))
    }
    return {name for name in names if NAME.fullmatch(name)}


def named(text: str) -> set[str]:
    """The metrics that a text names, as they are called in code."""
    return {SUFFIX.sub("", name) for name in NAME.findall(text)} - NO_METRICS


def rules() -> str:
    return "\n".join(path.read_text() for path in sorted(MONITORING.glob("*.yml")))


def dashboard() -> str:
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    return "\n".join(target["expr"] for panel in panels for target in panel.get("targets", ()))


def documents() -> str:
    return (ROOT / "docs" / "operations" / "metrics.md").read_text()


def test_what_rules_and_dashboard_ask_for_exists(tmp_path: Path) -> None:
    known = in_code(tmp_path)
    assert named(rules()) - known == set()
    assert named(dashboard()) - known == set()


def test_each_metric_is_in_the_documents_and_no_other_is(tmp_path: Path) -> None:
    assert named(documents()) == in_code(tmp_path)


def test_each_metric_can_be_seen_on_the_dashboard(tmp_path: Path) -> None:
    assert in_code(tmp_path) - named(dashboard()) == set()


def test_what_is_recorded_is_what_others_read() -> None:
    recorded = set(re.findall(r"record: (\S+)", rules()))
    assert set(RECORDED.findall(dashboard())) == recorded
    assert set(RECORDED.findall(documents())) == recorded


def test_each_alert_is_in_the_documents_and_no_other_is() -> None:
    defined = set(re.findall(r"alert: (\S+)", rules()))
    assert set(re.findall(r"\bOutbox[A-Z]\w+", documents())) == defined


def test_a_name_that_is_nowhere_in_code_is_noticed(tmp_path: Path) -> None:
    assert named("rate(outbox_nothing_total[5m]) > 0") - in_code(tmp_path)
