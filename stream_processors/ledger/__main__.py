"""The ledger writer as a process: `python -m stream_processors.ledger`."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING

import structlog

from stream_processors.engine.crash import end_process
from stream_processors.engine.deaths import DeathJournal
from stream_processors.engine.health import Pages, serve_pages
from stream_processors.engine.lag import lag_gauge, stalled
from stream_processors.engine.logs import set_up_logs
from stream_processors.engine.metrics import gauge
from stream_processors.engine.tracing import tracer_from_environment
from stream_processors.groups import (
    DEAD_LETTERS_GROUP,
    LEDGER_WRITER_READS,
    PAYABLES_GROUP,
    RECEIPTS_GROUP,
)
from stream_processors.ledger.consuming import TopicLoop
from stream_processors.ledger.database import Database
from stream_processors.ledger.partitions import PartitionLoop
from stream_processors.ledger.receipts import receive
from stream_processors.ledger.retries import RetryLoop
from stream_processors.ledger.writer import PayablesWriter, ReportsWriter
from stream_processors.settings import LedgerWriterSettings, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prometheus_client.metrics_core import Metric

    from stream_processors.engine.messages import InboundRecord
    from stream_processors.engine.tracing import Tracer

_log = structlog.get_logger(__name__)

_STOP_SECONDS = 10.0
_LOOK_SECONDS = 1.0
# How long after one batch the next may begin. Bills come soon; a receipt only says when.
_BATCH_SECONDS = 0.01
_RECEIPTS_SECONDS = 0.02


class LedgerWriter:
    """Three topic loops, the retries and the partitions, each with its own connection."""

    def __init__(self, settings: LedgerWriterSettings, tracer: Tracer | None = None) -> None:
        self.stopping = threading.Event()
        self._settings = settings
        payables = self._database("payables")
        reports = self._database("dead letters")
        receipts = self._database("receipts")
        retries = self._database("retries")
        partitions = self._database("partitions")
        # A journal each: a loop's record in hand is its own.
        directory = settings.state_directory
        payables_writer = PayablesWriter(payables, DeathJournal(directory / "payables"), tracer)
        reports_writer = ReportsWriter(reports, DeathJournal(directory / "dead-letters"))
        self._retries_database = retries
        self._databases = [payables, reports, receipts, retries, partitions]
        self._loops = [
            self._loop(PAYABLES_GROUP, payables_writer.carry_out, _BATCH_SECONDS),
            self._loop(DEAD_LETTERS_GROUP, reports_writer.carry_out, _BATCH_SECONDS),
            self._loop(RECEIPTS_GROUP, lambda batch: receive(receipts, batch), _RECEIPTS_SECONDS),
        ]
        self._threads: list[threading.Thread] = [
            *self._loops,
            RetryLoop(retries, self.stopping, end_process),
            PartitionLoop(partitions, self.stopping, end_process),
        ]

    def run(self) -> None:
        """Run until `stopping` is set; then finish the batches in hand, commit and leave."""
        for thread in self._threads:
            thread.start()
        while not self.stopping.wait(_LOOK_SECONDS):
            for loop in self._loops:
                loop.look()
        for thread in self._threads:
            thread.join(_STOP_SECONDS)
        for database in self._databases:
            database.close()

    def health(self) -> dict[str, object]:
        """Return what /health tells.

        Ready where every loop runs, has its partitions and does not stand still, and the database
        answers. While the database is away it waits, alive: a new start would not help.
        """
        assigned = {loop.name: loop.assigned for loop in self._loops}
        dead = [thread.name for thread in self._threads if not thread.is_alive()]
        # The one that is used every quarter of a second.
        reachable = self._retries_database.reachable
        lags = {loop.name: sum(loop.lags().values()) for loop in self._loops}
        faults = {
            loop.name: stalled(loop.name, lags[loop.name], loop.queue.stalled_seconds)
            for loop in self._loops
            if loop.queue.stalled_seconds
        }
        return {
            "ready": reachable and not dead and None not in assigned.values() and not faults,
            "live": not dead,
            "faults": faults,
            "database_reachable": reachable,
            "dead": dead,
            "assignment": assigned,
            "last_commit_seconds_ago": {
                loop.name: None
                if loop.commit_taken_at is None
                else round(time.time() - loop.commit_taken_at, 3)
                for loop in self._loops
            },
            "lag_records": lags,
        }

    def gauges(self) -> list[Metric]:
        """Return what /metrics tells beside the counters."""
        return [
            gauge(
                "outbox_database_reachable",
                "Whether PostgreSQL answers the ledger writer, which asks four times a second.",
                (),
                {(): float(self._retries_database.reachable)},
            ),
            lag_gauge({loop.name: loop.lags() for loop in self._loops}),
        ]

    def _database(self, name: str) -> Database:
        return Database(self._settings.ledger_writer_database_url, name, self.stopping)

    def _loop(
        self,
        group: str,
        carry_out: Callable[[Sequence[InboundRecord]], None],
        every_seconds: float,
    ) -> TopicLoop:
        return TopicLoop(
            group=group,
            topics=LEDGER_WRITER_READS[group],
            member=self._settings.writer_name,
            kafka=self._settings.brokers.client,
            carry_out=carry_out,
            every_seconds=every_seconds,
            stopping=self.stopping,
            on_fault=end_process,
        )


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = read_settings(LedgerWriterSettings)
    set_up_logs(settings.log_level)
    tracer = tracer_from_environment("ledger-writer")
    writer = LedgerWriter(settings, tracer)
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: writer.stopping.set())
    serve_pages(settings.health_address, Pages(settings.writer_name, writer.health, writer.gauges))
    _log.info("ledger_writer_starts")
    writer.run()
    if tracer is not None:
        tracer.close()


if __name__ == "__main__":
    main()
