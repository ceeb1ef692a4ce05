"""end_process ends a real process, so each test starts one."""

import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import KafkaException

from stream_processors.engine.crash import error_in_hand
from tests.librdkafka import raise_as_librdkafka_does

PREAMBLE = """
import atexit, logging, sys
from stream_processors.engine.crash import end_process
from stream_processors.engine.logs import set_up_logs
set_up_logs("INFO")
atexit.register(lambda: print("cleaned up", flush=True))
"""


def _run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PREAMBLE + program],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=Path(__file__).parents[2],
    )


def test_the_process_exits_with_70_before_anything_else_runs_and_says_why() -> None:
    ended = _run(
        """
try:
    end_process("carrying out a batch", ValueError("the reason"))
finally:
    print("went on", flush=True)
"""
    )

    assert ended.returncode == 70
    assert ended.stdout == ""
    assert '"event": "process_ends"' in ended.stderr
    assert "carrying out a batch" in ended.stderr
    assert "the reason" in ended.stderr


def test_the_process_exits_from_a_thread_too() -> None:
    ended = _run(
        """
import threading
threading.Thread(target=end_process, args=("reading", ValueError("no"))).start()
threading.Event().wait(20)
"""
    )

    assert (ended.returncode, ended.stdout) == (70, "")


@pytest.mark.parametrize(
    "program",
    [
        "class Odd(Exception):\n    def __str__(self): raise RuntimeError\nend_process('x', Odd())",
        "import os; os.close(2)\nend_process('x', ValueError('no'))",
        "logging.shutdown = lambda: 1 / 0\nend_process('x', ValueError('no'))",
    ],
    ids=["an error that can't be shown", "no standard error", "a broken log handler"],
)
def test_the_process_exits_even_if_it_cannot_say_why(program: str) -> None:
    ended = _run(
        f"try:\n    {program.replace(chr(10), chr(10) + '    ')}\nexcept BaseException: pass"
    )

    assert (ended.returncode, ended.stdout) == (70, "")


def test_what_librdkafka_raises_passes_by_every_except_but_a_bare_one() -> None:
    """Where this fails after an upgrade, `error_in_hand` can go."""
    caught = []
    try:
        try:
            raise_as_librdkafka_does()
        except BaseException as error:  # noqa: BLE001 - that it is not caught is the claim
            caught.append(error)
    except:  # noqa: E722
        caught.append(error_in_hand())

    assert [type(error) for error in caught] == [KafkaException]
    assert "of a callback" in str(caught[0])


def test_an_exception_in_hand_is_that_exception() -> None:
    fault = ZeroDivisionError()
    try:
        raise fault
    except:  # noqa: E722
        assert error_in_hand() is fault
