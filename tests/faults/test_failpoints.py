"""Failpoints act where and when they are told, once, and never fall silent."""

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from infra.local.layout import project_directory
from tests.faults.failpoints import Failpoints, NeverHitError
from tests.faults.injected.failpoint_hooks import EXIT_CODE_MISSING, PROCESS_VARIABLE, put_in
from tests.faults.injected.failpoint_places import FAILPOINTS, Failpoint
from tests.waiting import wait_until

DELIVERED = "worker: delivered, state not written"
# A worker's process whose only work is to store rows that say where they belong.
STORING = """
import sys
from stream_processors.engine import fact_table

class Partition(fact_table.FactPartition):
    def __init__(self):
        self.position = 0
    def _write(self, rows, position):
        print(rows[0][0].decode(), flush=True)
        self.position = position

partition = Partition()
partition.store([], [])
for number in range(4):
    partition.store([(str(number).encode(), b"")], [number])
"""


def start(failpoints: Failpoints, program: str, process: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, **failpoints.environment(), PROCESS_VARIABLE: process},
        cwd=project_directory(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_process_is_killed_at_the_moment_that_was_chosen_and_only_once(tmp_path: Path) -> None:
    failpoints = Failpoints(tmp_path)
    failpoints.arm("worker-1", DELIVERED, "kill", skip=2)
    killed = start(failpoints, STORING, "worker-1")
    assert killed.communicate(timeout=60)[0].split() == ["0", "1"]
    assert killed.returncode == -signal.SIGKILL
    assert failpoints.was_hit("worker-1", DELIVERED)
    again = start(failpoints, STORING, "worker-1")
    assert again.communicate(timeout=60)[0].split() == ["0", "1", "2", "3"]
    assert again.returncode == 0


def test_after_means_that_it_was_done_before_the_process_died(tmp_path: Path) -> None:
    failpoints = Failpoints(tmp_path)
    failpoints.arm("worker-1", "worker: state written, batch not finished", "kill")
    killed = start(failpoints, STORING, "worker-1")
    assert killed.communicate(timeout=60)[0].split() == ["0"]
    assert killed.returncode == -signal.SIGKILL


def test_another_process_and_a_process_that_is_not_supervised_go_on(tmp_path: Path) -> None:
    failpoints = Failpoints(tmp_path)
    failpoints.arm("worker-1", DELIVERED, "kill")
    for name in ("worker-2", ""):
        other = start(failpoints, STORING, name)
        assert other.communicate(timeout=60)[0].split() == ["0", "1", "2", "3"]
    assert not failpoints.was_hit("worker-1", DELIVERED)


def test_a_process_stops_where_it_is_until_it_is_told_to_go_on(tmp_path: Path) -> None:
    failpoints = Failpoints(tmp_path)
    failpoints.arm("worker-1", DELIVERED, "stop", skip=1)
    stopped = start(failpoints, STORING, "worker-1")
    failpoints.wait_until_hit("worker-1", DELIVERED, seconds=60)
    process = psutil.Process(stopped.pid)
    wait_until("it stops", process.status, lambda status: status == psutil.STATUS_STOPPED)
    stopped.send_signal(signal.SIGCONT)
    assert stopped.communicate(timeout=60)[0].split() == ["0", "1", "2", "3"]


def test_a_function_that_has_another_name_now_ends_the_process_and_is_named(
    tmp_path: Path,
) -> None:
    renamed = (
        "import sys\n"
        "from failpoint_hooks import install\n"
        "from failpoint_places import Failpoint\n"
        "sys.modules.pop('json', None)\n"
        "install([Failpoint('w: gone', 'worker', 'json', 'JSONDecoder.decrypt', False)])\n"
        "import json\n"
        "print('went on')\n"
    )
    process = start(Failpoints(tmp_path), renamed, "worker-1")
    out, err = process.communicate(timeout=60)
    assert process.returncode == EXIT_CODE_MISSING
    assert "JSONDecoder.decrypt" in err
    assert out == ""


@pytest.mark.parametrize("failpoint", FAILPOINTS, ids=lambda failpoint: failpoint.name)
def test_every_failpoint_is_in_a_function_that_exists(failpoint: Failpoint, tmp_path: Path) -> None:
    module = importlib.import_module(failpoint.module)
    *owners, name = failpoint.function.split(".")
    owner = module
    for each in owners:
        owner = getattr(owner, each)
    function = getattr(owner, name)
    try:
        put_in(module, failpoint, tmp_path, "worker-1")
        assert getattr(owner, name).__wrapped__ is function
    finally:
        setattr(owner, name, function)


def test_a_failpoint_that_nobody_comes_by_is_an_error_and_no_longer_armed(tmp_path: Path) -> None:
    failpoints = Failpoints(tmp_path)
    failpoints.arm("worker-1", DELIVERED, "kill")
    with pytest.raises(NeverHitError, match="worker-1 never came by"):
        failpoints.wait_until_hit("worker-1", DELIVERED, seconds=0.1)
    unharmed = start(failpoints, STORING, "worker-1")
    assert unharmed.communicate(timeout=60)[0].split() == ["0", "1", "2", "3"]


def test_a_process_is_not_armed_with_a_failpoint_that_it_has_not(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="ledger-writer has no failpoint"):
        Failpoints(tmp_path).arm("ledger-writer", DELIVERED, "kill")
