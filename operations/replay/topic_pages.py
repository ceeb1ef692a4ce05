"""Events chosen by where they lie in a topic; below Kafka's first record by their receipts."""

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg

from operations.failures import ProblemError
from operations.replay.event_pages import events_below, with_records
from operations.replay.kafka_records import KafkaRecords
from operations.replay.selection import KAFKA, Chosen, Page, Selection
from operations.replay.sending import Record

AGAIN = "the same event again"
NO_EVENT = "no event of domain_events"


class TopicPages:
    """The events in a range of a topic's partitions, each once, from the beginning or after a mark.

    The range ends where the topic ended when the replay began: it does not meet itself. Raises
    ProblemError for a topic or a partition that is not there.
    """

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        records: KafkaRecords,
        selection: Selection,
        mark: Mapping[str, Any] | None,
        page_events: int,
    ) -> None:
        self._connection = connection
        self._records = records
        self._page_events = page_events
        self._topic = selection.topic or ""
        self._start = selection.from_offset or 0
        self._done = None if mark is None else (mark["partition"], mark["next_offset"])
        self._ends: dict[int, int] = (
            self._ends_now(selection)
            if mark is None
            else {int(partition): end for partition, end in mark["ends"].items()}
        )
        self._seen: set[bytes] = set()
        self.total = sum(self._remaining(partition) for partition in self._ends)

    def __iter__(self) -> Iterator[Page]:
        """Yield pages, one partition after the other, in the order of offsets."""
        for partition in self._ends:
            batch: list[Chosen] = []
            left_out: Counter[str] = Counter()
            read, next_offset = 0, self._start
            for offset, found in self._found(partition):
                event_id = dict(found.record.headers).get("id")
                is_done = self._done is not None and (partition, offset) < self._done
                if event_id in self._seen:
                    left_out[AGAIN] += not is_done
                elif not _is_event(found.record):
                    left_out[NO_EVENT] += not is_done
                else:
                    self._seen.add(event_id or b"")
                    batch += [] if is_done else [found]
                read, next_offset = read + 1, offset + 1
                if read % self._page_events == 0:
                    yield self._page(partition, next_offset, batch, left_out)
                    batch, left_out = [], Counter()
            yield self._page(partition, next_offset, batch, left_out)

    def _ends_now(self, selection: Selection) -> dict[int, int]:
        highs = {
            partition: self._records.bounds(self._topic, partition)[1]
            for partition in self._chosen(selection.partition)
        }
        wanted = selection.to_offset
        return {
            partition: high if wanted is None else min(high, wanted)
            for partition, high in highs.items()
        }

    def _chosen(self, wanted: int | None) -> list[int]:
        there = self._records.partitions(self._topic)
        if wanted is None:
            return there
        if wanted not in there:
            raise ProblemError(
                f"{self._topic} has no partition {wanted}; it has {there[0]} to {there[-1]}."
            )
        return [wanted]

    def _remaining(self, partition: int) -> int:
        start = self._start
        if self._done is not None and partition < self._done[0]:
            return 0
        if self._done is not None and partition == self._done[0]:
            start = max(start, self._done[1])
        return max(self._ends[partition] - start, 0)

    def _found(self, partition: int) -> Iterator[tuple[int, Chosen]]:
        """Yield all that the partition holds, or held, in the range, with the offsets."""
        end = self._ends[partition]
        low, _ = self._records.bounds(self._topic, partition)
        first = min(max(self._start, low), end)
        if self._start < first:
            for events in events_below(
                self._connection, self._topic, partition, self._start, first, self._page_events
            ):
                for event, found in zip(events, with_records(events, self._records), strict=True):
                    yield event["offset"], found
        for offset, record in self._records.between(self._topic, partition, first, end):
            event_type = dict(record.headers).get("eventType") or b""
            yield offset, Chosen(event_type.decode(errors="replace"), KAFKA, record)

    def _page(
        self, partition: int, next_offset: int, batch: list[Chosen], left_out: Counter[str]
    ) -> Page:
        ends = {str(number): end for number, end in self._ends.items()}
        mark = {"partition": partition, "next_offset": next_offset, "ends": ends}
        return Page(batch, mark, {why: count for why, count in left_out.items() if count})


def _is_event(record: Record) -> bool:
    """Tell whether it names an event: anything else would only become another exception."""
    try:
        uuid.UUID((dict(record.headers).get("id") or b"").decode())
    except ValueError:
        return False
    return True
