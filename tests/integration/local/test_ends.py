"""However a stack ends, nothing of it is left: each test has a stack of its own, or a part."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from infra.local.credentials import ensure_credentials
from infra.local.health import postgres_answers
from infra.local.layout import Layout, project_directory
from infra.local.owner import postgres_owner
from infra.local.postgres import database_url, installation, postgres_program, prepare_postgres
from infra.local.programs import Program
from infra.local.stack import take_down
from infra.local.status import process_statuses
from infra.local.supervision import Supervisor
from infra.local.sweep import running_processes
from tests.running_stack import command_environment, outbox_command, run_outbox, session_layout

PORTS_AFTER_THE_SESSIONS = 200
PATIENCE_SECONDS = 60

SLEEPING = "import time; time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
WITH_A_CHILD = (
    "import subprocess, sys, time;"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); time.sleep(600)"
)


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    """A home of the test's own, deep and with spaces in its path; gone afterwards."""
    deep = tmp_path / ("a long name with spaces " * 5) / "home"
    layout = Layout(deep, session_layout().port_base + PORTS_AFTER_THE_SESSIONS)
    yield layout
    take_down(layout, purge=True)


def wait_for(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Return once the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def supervise(layout: Layout, *programs: Program) -> Supervisor:
    """Run programs under a supervisord of this home."""
    supervisor = Supervisor(layout, ensure_credentials(layout.secrets).supervisor)
    supervisor.configure(programs)
    supervisor.launch()
    for program in programs:
        supervisor.start(program.name)
    wait_for(lambda: all(process.pid for process in supervisor.processes()))
    return supervisor


def python(name: str, script: str) -> Program:
    """A program that is none of ours, to be stopped."""
    return Program(name=name, command=[sys.executable, "-c", script], stop_seconds=1)


def all_pids(layout: Layout) -> list[int]:
    """What runs of a stack, children included."""
    return [
        process.pid
        for parent in running_processes(layout).values()
        for process in (parent, *parent.children(recursive=True))
    ]


def assert_nothing_is_left(layout: Layout, pids: list[int]) -> None:
    assert running_processes(layout) == {}
    assert [pid for pid in pids if is_alive(pid)] == []


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_start_that_is_interrupted_leaves_nothing_running(
    layout: Layout, number: signal.Signals
) -> None:
    process = subprocess.Popen(
        outbox_command("up"),
        env=command_environment(layout),
        cwd=project_directory(),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: {"postgres", "kafka", "connect"} <= running_processes(layout).keys())
    pids = all_pids(layout)
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode != 0
    assert "Traceback" not in errors
    assert_nothing_is_left(layout, pids)


def test_stopping_ends_a_start_that_is_under_way(layout: Layout) -> None:
    process = subprocess.Popen(
        outbox_command("up"),
        env=command_environment(layout),
        cwd=project_directory(),
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: "postgres" in running_processes(layout))
    pids = all_pids(layout)
    assert run_outbox(layout, "down")[0] == 0
    assert process.wait(PATIENCE_SECONDS) != 0
    assert_nothing_is_left(layout, pids)


def test_a_taken_port_is_named_and_nothing_is_started(layout: Layout) -> None:
    with socket.create_server(("127.0.0.1", layout.broker_port(1))):
        code, out, err = run_outbox(layout, "up")
    assert code == 1
    assert out == ""
    assert (
        f"port {layout.broker_port(1)}, which kafka needs, is taken by process {os.getpid()}" in err
    )
    assert "OUTBOX_PORT_BASE" in err
    assert_nothing_is_left(layout, [])


def test_a_start_that_fails_shows_the_log_and_leaves_nothing(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = tmp_path / "java home" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\necho 'no coffee today'\nexit 1\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(java.parent.parent))
    code, _, err = run_outbox(layout, "up")
    assert code == 3
    assert "no coffee today" in err
    assert "Traceback" not in err
    assert_nothing_is_left(layout, [])


def test_a_java_home_without_java_is_an_error(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    code, _, err = run_outbox(layout, "up")
    assert code == 1
    assert "JAVA_HOME" in err
    assert_nothing_is_left(layout, [])


def test_stopping_when_nothing_runs_is_fine(layout: Layout) -> None:
    code, out, err = run_outbox(layout, "down")
    assert (code, out) == (0, "")
    assert "Nothing was running" in err


def test_after_supervisord_was_killed_status_finds_the_rest_and_down_stops_it(
    layout: Layout,
) -> None:
    supervise(layout, python("kafka", WITH_A_CHILD), python("connect", SLEEPING))
    wait_for(lambda: len(all_pids(layout)) >= 4)
    running = running_processes(layout)
    pids = all_pids(layout)
    running["supervisord"].kill()
    running["supervisord"].wait()
    states = {process.name: process for process in process_statuses(layout)}
    assert states["kafka"].state == "unsupervised"
    assert states["kafka"].pid == running["kafka"].pid
    assert run_outbox(layout, "down")[0] == 0
    assert_nothing_is_left(layout, pids)


def test_a_supervisord_that_hangs_is_stopped_with_all_it_runs(layout: Layout) -> None:
    supervise(layout, python("kafka", SLEEPING))
    pids = all_pids(layout)
    running_processes(layout)["supervisord"].suspend()
    assert run_outbox(layout, "down")[0] == 0
    assert_nothing_is_left(layout, pids)


def test_what_ignores_a_request_to_stop_is_killed(layout: Layout) -> None:
    supervise(layout, python("kafka", STUBBORN))
    pids = all_pids(layout)
    assert run_outbox(layout, "down")[0] == 0
    assert_nothing_is_left(layout, pids)


def test_what_dies_is_restarted_without_end(layout: Layout) -> None:
    supervisor = supervise(layout, python("kafka", SLEEPING))
    for _ in range(4):
        (before,) = supervisor.processes()
        assert before.pid is not None
        os.kill(before.pid, signal.SIGKILL)

        def is_back(dead: int = before.pid) -> bool:
            (process,) = supervisor.processes()
            return process.pid not in {None, dead}

        wait_for(is_back, 15)


def test_a_stale_pid_of_the_server_is_no_obstacle_and_hits_no_stranger(layout: Layout) -> None:
    credentials = ensure_credentials(layout.secrets)
    owner = postgres_owner(layout.home, installation())
    prepare_postgres(layout, owner, credentials.superuser)
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        stale = owner.directory / "data" / "postmaster.pid"
        stale.write_text(f"{stranger.pid}\n{owner.directory / 'data'}\n1\n1\n\n\n1 1\nready\n")
        owner.give(stale)
        assert take_down(layout) == []
        assert stranger.poll() is None
        # As every start does: PostgreSQL itself takes a stranger of the same user for its server.
        prepare_postgres(layout, owner, credentials.superuser)
        supervise(layout, postgres_program(owner))
        url = database_url(layout, "postgres", credentials.superuser, "postgres")
        wait_for(lambda: postgres_answers(url))
        pids = all_pids(layout)
        assert take_down(layout) == ["postgres"]
        assert_nothing_is_left(layout, pids)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
