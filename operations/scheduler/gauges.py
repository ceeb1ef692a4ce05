"""What the scheduler tells Prometheus of its tasks' last runs.

A verdict holds until the next one is late, or could not be had: what is not known is told as
nothing, never as clean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from operations.scheduler.tasks import CLEAN
from stream_processors.engine.metrics import gauge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prometheus_client.metrics_core import Metric

    from operations.scheduler.timetable import Standing


def task_gauges(standings: Sequence[Standing]) -> list[Metric]:
    """Return how each task stands."""
    verdicts = {
        standing.task: standing.run.outcome
        for standing in standings
        if standing.is_current and standing.run.outcome and standing.run.outcome.offenders
    }
    return [
        gauge(
            "outbox_task_last_success_timestamp_seconds",
            "When the task last came to its end, also in an earlier process.",
            ("task",),
            {
                (standing.task,): standing.run.succeeded_at
                for standing in standings
                if standing.run.succeeded_at is not None
            },
        ),
        gauge(
            "outbox_task_overdue",
            "Whether the task has not come to its end within its limit.",
            ("task",),
            {(standing.task,): float(standing.is_overdue) for standing in standings},
        ),
        gauge(
            "outbox_reconciliation_clean",
            "Whether the last reconciliation found all as it should be.",
            ("task",),
            {(task,): float(outcome.verdict == CLEAN) for task, outcome in verdicts.items()},
        ),
        gauge(
            "outbox_reconciliation_offenders",
            "What the last reconciliation found wrong, by kind.",
            ("task", "kind"),
            {
                (task, kind): float(count)
                for task, outcome in verdicts.items()
                for kind, count in outcome.offenders.items()
            },
        ),
    ]
