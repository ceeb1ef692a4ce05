"""A stream that is read in batches, as soon as there is anything to read."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import faust

from stream_processors.engine.batching import interval_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class BatchStream(faust.Stream):
    """A stream with `batches` in place of Faust's `take_events`.

    That one polls: it looks every few milliseconds whether something has come, with three tasks a
    look, also when nothing ever comes, and lets what has come wait for the next look. It hands each
    event to two tasks and to its sensors, which nobody asks here. This is a quarter of the code,
    and what it must do for each event is the same as in `Stream.__aiter__`.
    """

    async def batches(self, events_max: int, every_seconds: float) -> AsyncIterator[list[Any]]:
        """Yield what has come, at most `events_max` events, and acknowledge it afterwards.

        One batch begins `every_seconds` after the other at the earliest, later after a large one:
        events that come close together go together, which costs less, and one that comes alone
        does not wait.
        An event of before a rebalance is left out and not acknowledged: whoever has its partition
        now is given it again.
        """
        started_here = await self.maybe_start()
        queue = self.channel.queue
        next_at = 0.0
        try:
            while not self.should_stop:
                # Before anything is taken: what is taken and not tracked would be forgotten here.
                await asyncio.sleep(max(0.0, next_at - time.monotonic()))
                events = [await queue.get()]
                begun_at = time.monotonic()
                while len(events) < events_max and not queue.empty():
                    events.append(queue.get_nowait())
                next_at = begun_at + interval_seconds(every_seconds, len(events))
                batch = [event for event in events if self._is_current(event)]
                if not batch:
                    continue
                self._track(batch)
                try:
                    yield batch
                finally:
                    for event in batch:
                        event.ack()
        except StopAsyncIteration:
            # How Faust tells whoever waits for events that the stream has come to its end.
            return
        finally:
            self._channel_stop_iteration(self.channel)
            if started_here:
                await self.stop()
                self.service_reset()

    def _is_current(self, event: Any) -> bool:
        return bool(
            self.app.flow_control.is_active()
            and event.message.generation_id == self.app.consumer_generation_id
        )

    def _track(self, batch: list[Any]) -> None:
        """Let a rebalance wait for these, and Faust's watch know that their partitions move."""
        consumer = self.app.consumer
        now = time.monotonic()
        for event in batch:
            message = event.message
            message.tracked = True
            consumer.unacked.add(message)
            self.app.monitor.stream_inbound_time[message.tp] = now
