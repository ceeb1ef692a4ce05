"""Libraries that say the same thing twenty times a second while a service is away."""

from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

REPEAT_SECONDS = 10.0
_SHAPES_MAX = 1_000
_NUMBER = re.compile(r"\d+")


class RepetitionFilter(logging.Filter):
    """Passes what a library says once in ten seconds, with the count of what was left out.

    Alike are lines of one logger and level that differ in numbers only. Ours all pass: each is of
    something that happened. Without it, ten minutes without Kafka would push everything else out
    of the log files that are kept.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._passed: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a line is to be written; the count is its field `repeated`."""
        if not isinstance(record.msg, str):
            # Ours: structlog hands its fields over, not a text.
            return True
        shape = record.name, record.levelno, _NUMBER.sub("", record.getMessage())
        now = self._clock()
        passed_at, left_out = self._passed.get(shape, (-REPEAT_SECONDS, 0))
        if now - passed_at < REPEAT_SECONDS:
            self._passed[shape] = passed_at, left_out + 1
            return False
        if len(self._passed) >= _SHAPES_MAX:
            self._passed.clear()
        self._passed[shape] = now, 0
        if left_out:
            record.repeated = left_out
        return True
