import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.errors import BusyError
from infra.local.exclusive import alone, alone_at_last

HOLD = """
import sys, time
from pathlib import Path
from infra.local.exclusive import alone
with alone(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    time.sleep(float(sys.argv[3]))
"""


def holding(home: Path, verb: str, seconds: float) -> subprocess.Popen[str]:
    """Another process that holds the lock."""
    arguments = [sys.executable, "-c", HOLD, str(home), verb, str(seconds)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_start_is_refused_and_told_of_the_first(tmp_path: Path) -> None:
    with (
        alone(tmp_path, "up"),
        pytest.raises(BusyError, match=rf"`outbox up` \(process {os.getpid()}\)"),
        alone(tmp_path, "up"),
    ):
        pass


def test_the_lock_is_free_after_its_holder_was_killed(tmp_path: Path) -> None:
    with holding(tmp_path, "up", 60) as process:
        process.kill()
        process.wait()
        with alone(tmp_path, "up"):
            pass


def test_stopping_ends_a_start_that_is_under_way(tmp_path: Path) -> None:
    with holding(tmp_path, "up", 60) as process:
        with alone_at_last(tmp_path, "down"):
            pass
        assert process.wait() == -15


def test_stopping_waits_for_another_stop(tmp_path: Path) -> None:
    with holding(tmp_path, "down", 0.5) as process:
        with alone_at_last(tmp_path, "down"):
            pass
        assert process.wait() == 0
