"""Notices that a member of a group will get no partitions any more, although Kafka is there.

librdkafka forgets every broker that an answer to a metadata request does not name. A broker that
was paused for longer than its session with the controller does not name itself for a moment; where
it is the only one, librdkafka then knows nobody whom it could ask, and waits for ever
(librdkafka issue 5301, seen with 2.16). A process that starts anew finds it at once.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ASK_SECONDS = 5.0
PATIENCE_SECONDS = 20.0
"""For so long Kafka must have answered: a group that rebalances takes its time as well."""

_ANSWER_SECONDS = 2.0


class StrandedError(Exception):
    """A member has no partitions, and nothing will bring them."""


class Membership:
    """Watches one member of a group. `answers`: whether somebody who asks Kafka anew finds it."""

    def __init__(
        self,
        group: str,
        answers: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._group = group
        self._answers = answers
        self._clock = clock
        self._ask_at = clock() + ASK_SECONDS
        self._answering_since: float | None = None

    def look(self, *, assigned: bool) -> None:
        """Look whether all is well; to be called often.

        Raises StrandedError where Kafka has answered for a while and there was no assignment.
        """
        now = self._clock()
        if assigned:
            self._ask_at = now + ASK_SECONDS
            self._answering_since = None
        elif now >= self._ask_at:
            self._ask(now)
            self._ask_at = self._clock() + ASK_SECONDS

    def _ask(self, now: float) -> None:
        if not self._answers():
            self._answering_since = None
        elif self._answering_since is None:
            self._answering_since = now
        elif now - self._answering_since >= PATIENCE_SECONDS:
            raise StrandedError(
                f"{self._group} gave this member no partitions, although Kafka has answered for "
                f"{now - self._answering_since:.0f} s: the process starts anew"
            )


def kafka_answers(kafka: Mapping[str, str | int]) -> bool:
    """Whether a client that knows only the bootstrap servers finds a broker."""
    try:
        return bool(
            AdminClient({**kafka, "log_level": 0}).list_topics(timeout=_ANSWER_SECONDS).brokers
        )
    except KafkaException:
        return False
