"""One agent's way with a batch: nothing is acknowledged before all it caused is durable."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import structlog

from schemas.errors import UnknownFingerprint
from stream_processors.engine.counting import BATCH_DURATION, count_batch
from stream_processors.engine.crash import end_process
from stream_processors.engine.event_log import ids_of, log_processed
from stream_processors.engine.fact_table import PendingFacts
from stream_processors.engine.outbound import DeliveryError
from stream_processors.engine.tracing import Spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stream_processors.engine.deaths import DeathJournal
    from stream_processors.engine.fact_table import FactTable
    from stream_processors.engine.messages import InboundRecord, OutboundRecord
    from stream_processors.engine.outbound import Outbound
    from stream_processors.engine.tracing import Tracer

_log = structlog.get_logger(__name__)


class Agent(Protocol):
    """The rules of one input topic: decode, add the fact, decide, emit. Pure but for `facts`."""

    def handle(self, record: InboundRecord, facts: PendingFacts) -> Iterable[OutboundRecord]:
        """Return what follows from one record; add to `facts` what it says."""
        ...

    def quarantine(self, record: InboundRecord, deaths: int) -> OutboundRecord:
        """Return the report of a record that the process died of `deaths` times."""
        ...


Step = tuple["InboundRecord", "list[OutboundRecord]"]
"""A record, and all that it causes."""


class Processor:
    """Runs one agent over its fact table; every fault ends the process before an ack."""

    def __init__(
        self,
        agent: Agent,
        table: FactTable,
        outbound: Outbound,
        journal: DeathJournal,
        tracer: Tracer | None = None,
    ) -> None:
        self._agent = agent
        self._tracer = tracer
        self._table = table
        self._outbound = outbound
        self._journal = journal
        self._whole: set[int] = set()
        # By partition, the offset that follows the last record seen since its assignment.
        self._expected: dict[int, int] = {}
        self._busy = asyncio.Lock()

    def revoked(self) -> None:
        """Forget that any partition is whole: another worker may write to it from now on."""
        self._whole.clear()
        self._expected.clear()

    async def assigned(self, partitions: Iterable[int]) -> None:
        """Make the state of assigned partitions whole, before their events need it."""
        async with self._busy:
            try:
                for number in sorted(set(partitions) - self._whole):
                    await self._recover(number)
                self._table.changelog.close()
            except Exception as error:  # noqa: BLE001 - Faust would log it and go on
                end_process(f"recovering {self._table.name}", error)

    async def process(self, records: Sequence[InboundRecord]) -> None:
        """Carry out a batch, also while this task is being cancelled, however often.

        Faust acknowledges a batch when its iteration ends, cancelled or not: so the batch runs
        in a task of its own that cancellation does not reach, and is waited for.
        """
        batch = asyncio.ensure_future(self._process_or_die(records))
        cancelled = False
        while not batch.done():
            try:
                await asyncio.shield(batch)
            except asyncio.CancelledError:
                cancelled = True
        batch.result()
        if cancelled:
            raise asyncio.CancelledError

    async def _process_or_die(self, records: Sequence[InboundRecord]) -> None:
        begun_at = time.monotonic()
        async with self._busy:
            try:
                for number in {record.partition for record in records} - self._whole:
                    await self._recover(number)
                for first in self._first_records(records):
                    await asyncio.to_thread(self._check_none_removed_before, first)
                self._check_none_removed(records)
                while not await self._attempt(records):
                    _log.warning("decided_again", table=self._table.name)
                self._table.changelog.close()
                BATCH_DURATION.labels(records[0].topic).observe(time.monotonic() - begun_at)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - see below
                # Faust would acknowledge the batch. Its own task is cancelled only where the
                # whole event loop is being torn down.
                end_process(f"processing a batch from {records[0].position}", error)

    async def _recover(self, number: int) -> None:
        beginning = await asyncio.to_thread(self._table.recover, number)
        partition = self._table.partition(number)
        if beginning is not None:
            offsets = await self._outbound.deliver([beginning])
            partition.store([(beginning.key, beginning.value)], offsets)
        self._whole.add(number)
        _log.info(
            "state_recovered",
            table=self._table.name,
            partition=number,
            position=partition.position,
        )

    def _first_records(self, records: Sequence[InboundRecord]) -> list[InboundRecord]:
        """Return the record of each partition that is the first since its assignment."""
        first: dict[int, InboundRecord] = {}
        for record in records:
            if record.partition not in self._expected:
                first.setdefault(record.partition, record)
        return list(first.values())

    def _check_none_removed_before(self, first: InboundRecord) -> None:
        """Check that nothing was removed unread, or passed over, since the assignment.

        Its position was in order then. While the partition was idle and this process paused,
        records can have come and gone: a consumer whose position is gone goes on at the topic's
        new beginning, without a word. What was committed tells, since nothing was processed yet.
        """
        processed = self._table.changelog.check_source(first.partition)
        self._table.check_skipped(first.partition, min(processed, first.offset), first.offset)

    def _check_none_removed(self, records: Sequence[InboundRecord]) -> None:
        for record in records:
            expected = self._expected.get(record.partition, record.offset)
            if record.offset != expected:
                self._table.check_skipped(record.partition, expected, record.offset)
            self._expected[record.partition] = record.offset + 1

    async def _attempt(self, records: Sequence[InboundRecord]) -> bool:
        """Carry a batch out; return False if it must be decided again.

        That is so if another worker wrote meanwhile: the decision did not know everything.
        """
        pending = {
            number: PendingFacts(self._table.partition(number))
            for number in {record.partition for record in records}
        }
        spans = Spans(self._tracer, records)
        steps = [
            self._step(record, pending[record.partition], spans.headers_for(record))
            for record in records
        ]
        changelog = [
            self._table.changelog_record(number, key, value)
            for number, facts in pending.items()
            for key, value in facts.added.items()
        ]
        offsets = await self._deliver(steps, changelog)
        whole = True
        for facts in pending.values():
            rows = list(facts.added.items())
            whole &= facts.partition.store(rows, offsets[: len(rows)])
            del offsets[: len(rows)]
        if whole:
            count_batch(steps)
        spans.end(log_processed(_log, steps) if whole else [])
        return whole

    def _step(
        self,
        record: InboundRecord,
        facts: PendingFacts,
        headers: tuple[tuple[str, bytes], ...],
    ) -> Step:
        """Handle a record; `headers` say which event all that it causes comes from."""
        return record, [replace(output, headers=headers) for output in self._handle(record, facts)]

    def _handle(self, record: InboundRecord, facts: PendingFacts) -> list[OutboundRecord]:
        if self._journal.is_deadly(record.position):
            _log.error("record_quarantined", **ids_of(record))
            return [self._agent.quarantine(record, self._journal.deaths(record.position))]
        self._journal.take_up(record.position)
        try:
            outputs = list(self._agent.handle(record, facts))
        except UnknownFingerprint:
            # Not the record's fault but this release's: it must wait, not be quarantined.
            self._journal.put_down()
            raise
        self._journal.put_down()
        return outputs

    async def _deliver(
        self,
        steps: Sequence[Step],
        changelog: Sequence[OutboundRecord],
    ) -> list[int]:
        """Send everything at once; return the changelog's offsets."""
        caused = [output for _, outputs in steps for output in outputs]
        try:
            offsets = await self._outbound.deliver([*caused, *changelog])
        except DeliveryError as error:
            if error.record_at_fault and error.index < len(caused):
                causes = [record for record, outputs in steps for _ in outputs]
                self._journal.take_up(causes[error.index].position)
            raise
        return offsets[len(caused) :]
