"""What a library repeats is written once in a while, with how often it was said."""

import logging

import pytest

from stream_processors.engine.repetition import REPEAT_SECONDS, RepetitionFilter


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def repetition(clock: Clock) -> RepetitionFilter:
    return RepetitionFilter(clock)


def _record(
    text: object, *arguments: object, name: str = "library", level: int = logging.ERROR
) -> logging.LogRecord:
    return logging.LogRecord(name, level, "file", 1, text, arguments, None)


def test_what_is_said_again_within_ten_seconds_is_counted_and_then_told(
    repetition: RepetitionFilter, clock: Clock
) -> None:
    passed = []
    for tenths in range(200):
        clock.seconds = tenths / 10
        record = _record("Connect to %s failed after %d ms", "127.0.0.1", clock.seconds)
        if repetition.filter(record):
            passed.append((clock.seconds, getattr(record, "repeated", None)))

    assert passed == [(0.0, None), (REPEAT_SECONDS, 99)]


@pytest.mark.parametrize(
    "other",
    [
        _record("Connect to %s failed", "elsewhere"),
        _record("Connect to %s failed", "127.0.0.1", name="another"),
        _record("Connect to %s failed", "127.0.0.1", level=logging.WARNING),
    ],
)
def test_what_differs_in_more_than_numbers_is_something_else(
    repetition: RepetitionFilter, other: logging.LogRecord
) -> None:
    assert repetition.filter(_record("Connect to %s failed", "127.0.0.1"))
    assert not repetition.filter(_record("Connect to %s failed", "127.0.0.2"))
    assert repetition.filter(other)


def test_lines_of_ours_all_pass(repetition: RepetitionFilter) -> None:
    assert all(repetition.filter(_record({"event": "entry_posted"})) for _ in range(3))


def test_a_library_that_never_says_the_same_twice_takes_no_more_and_more_memory(
    repetition: RepetitionFilter,
) -> None:
    for number in range(5_000):
        assert repetition.filter(_record("x" * number))

    assert len(repetition._passed) <= 1_000
