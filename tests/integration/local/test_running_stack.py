"""The stack while it runs: what it listens on, who reads its secrets, and what dies comes back."""

import contextlib
import json
import os
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import httpx
import psutil
import psycopg
import pytest

from infra.local.credentials import load_credentials
from infra.local.health import page_is_good
from infra.local.sweep import running_processes
from tests.running_stack import RunningStack

Answer = TypeVar("Answer")

NAMES = (
    *("postgres", "kafka", "connect"),
    *("worker-1", "ledger-writer", "connector-keeper", "scheduler", "console"),
)
COMMANDS = {
    "postgres": "postgres",
    "kafka": "kafka.Kafka",
    "connect": "org.apache.kafka.connect.cli.ConnectDistributed",
    "worker-1": "stream_processors.worker",
    "ledger-writer": "stream_processors.ledger",
    "connector-keeper": "operations.keeper",
    "scheduler": "operations.scheduler",
    "console": "operations.console",
}
BACK_SECONDS = 90
MEMORY_BYTES = 3 * 1024**3


def wait_until_whole(stack: RunningStack, seconds: float = BACK_SECONDS) -> None:
    """Return once every process is healthy."""
    deadline = time.monotonic() + seconds
    while not all(process.healthy for process in stack.processes().values()):
        assert time.monotonic() < deadline, stack.processes()
        time.sleep(0.2)


def family(stack: RunningStack) -> list[psutil.Process]:
    """Every process of the stack, children included."""
    found = []
    for process in running_processes(stack.layout).values():
        found += [process, *process.children(recursive=True)]
    return list({process.pid: process for process in found}.values())


def of_each(stack: RunningStack, ask: Callable[[psutil.Process], Answer]) -> list[Answer]:
    """What each process answers; PostgreSQL's processes come and go meanwhile."""
    answers = []
    for process in family(stack):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            answers.append(ask(process))
    return answers


def test_status_lists_each_process_with_its_real_pid(stack: RunningStack) -> None:
    wait_until_whole(stack)
    code, out, _ = stack.outbox("status", "--output", "json")
    processes = json.loads(out)
    assert code == 0
    assert [process["name"] for process in processes] == list(NAMES)
    for process in processes:
        command = " ".join(psutil.Process(process["pid"]).cmdline())
        assert COMMANDS[process["name"]] in command
        assert process["state"] == "running"
        assert "metrics_url" in process


def test_everything_listens_on_loopback_only(stack: RunningStack) -> None:
    connections = of_each(stack, lambda process: process.net_connections("inet"))
    listening = {
        (connection.laddr.ip, connection.laddr.port)
        for of_one in connections
        for connection in of_one
        if connection.status == psutil.CONN_LISTEN
    }
    ports = {port for _, port in listening}
    layout = stack.layout
    assert {layout.postgres_port, layout.broker_port(1), layout.connect_port(1)} <= ports
    assert {layout.supervisor_port, layout.ledger_writer_port, layout.worker_port(1)} <= ports
    assert {ip for ip, _ in listening} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}, listening


def test_the_whole_stack_stays_under_three_gibibytes(stack: RunningStack) -> None:
    # Shared pages count once: PostgreSQL's processes share their buffers.
    memory_bytes = of_each(stack, lambda process: process.memory_full_info().pss)
    assert 0 < sum(memory_bytes) < MEMORY_BYTES


def test_the_server_of_the_database_is_not_root(stack: RunningStack) -> None:
    pid = stack.processes()["postgres"].pid
    assert psutil.Process(pid).uids().effective != 0


def test_no_password_is_on_a_command_line_or_in_a_file_that_others_read(
    stack: RunningStack,
) -> None:
    credentials = load_credentials(stack.layout.secrets)
    assert credentials is not None
    passwords = [credentials.superuser, credentials.supervisor, *credentials.roles.values()]
    for command in of_each(stack, lambda process: " ".join(process.cmdline())):
        assert not any(password in command for password in passwords)
    for path in stack.layout.home.rglob("*"):
        # Kafka's checkpoints are written beside and renamed.
        with contextlib.suppress(FileNotFoundError):
            if path.is_file() and path.stat().st_size < 1_000_000:
                told = any(password.encode() in path.read_bytes() for password in passwords)
                assert not told or stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_nobody_else_reads_what_the_stack_keeps(stack: RunningStack) -> None:
    home = stack.layout.home
    for path in home.iterdir():
        closed = stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        assert closed or path.name in {"workers", "lock"}, path


def test_a_wrong_password_is_refused(stack: RunningStack) -> None:
    url = f"postgresql://postgres:wrong@127.0.0.1:{stack.layout.postgres_port}/postgres"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url)
    passwordless = f"postgresql://outbox_owner@127.0.0.1:{stack.layout.postgres_port}/outbox"
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(passwordless)


def test_connect_never_shows_the_connectors_password(stack: RunningStack) -> None:
    credentials = load_credentials(stack.layout.secrets)
    assert credentials is not None
    url = stack.address("connect_url")
    shown = httpx.get(f"{url}/connectors?expand=info&expand=status", timeout=10).text
    assert "outbox-events" in shown
    assert credentials.roles["outbox_connector"] not in shown


def test_env_tells_how_to_reach_everything(stack: RunningStack) -> None:
    code, out, _ = stack.outbox("env")
    known = json.loads(out)
    assert code == 0
    assert known == dict(stack.environment)
    roles = {
        "admin_database_url": "postgres",
        "database_url": "outbox_owner",
        "app_database_url": "outbox_application",
    }
    for name, role in roles.items():
        with psycopg.connect(known[name]) as connection:
            row = connection.execute("SELECT current_user, current_database()").fetchone()
        assert row == (role, "outbox")


def test_starting_what_runs_changes_nothing(stack: RunningStack) -> None:
    wait_until_whole(stack)
    before = {name: process.pid for name, process in stack.processes().items()}
    code, out, err = stack.outbox("up")
    assert code == 0, err
    assert out == ""
    assert {name: process.pid for name, process in stack.processes().items()} == before


def test_workers_are_added_and_taken_away_while_the_rest_runs(stack: RunningStack) -> None:
    wait_until_whole(stack)
    before = {name: process.pid for name, process in stack.processes().items()}
    assert stack.outbox("up", "--workers", "2")[0] == 0
    added = stack.processes()
    assert added["worker-2"].healthy
    assert {name: added[name].pid for name in before} == before
    worker = added["worker-2"].pid
    assert stack.outbox("up", "--workers", "1")[0] == 0
    taken = {name: process.pid for name, process in stack.processes().items()}
    assert taken == before
    assert not psutil.pid_exists(worker)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_killed_comes_back_as_another_process(stack: RunningStack, name: str) -> None:
    wait_until_whole(stack)
    pid = stack.processes()[name].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + BACK_SECONDS
    while (now := stack.processes()[name]).pid in {pid, None} or not now.healthy:
        assert time.monotonic() < deadline, now
        time.sleep(0.2)
    wait_until_whole(stack)


def test_a_process_is_running_as_soon_as_it_does_its_work(stack: RunningStack) -> None:
    """supervisord has another word for it until it looks again after a second or two."""
    wait_until_whole(stack)
    before = stack.processes()["scheduler"]
    killed = psutil.Process(before.pid)
    killed.kill()
    killed.wait(timeout=BACK_SECONDS)
    deadline = time.monotonic() + BACK_SECONDS
    # Its page only: supervisord looks when it is asked, too.
    while not page_is_good(str(before.health_url)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert stack.processes()["scheduler"].state == "running"


@pytest.mark.parametrize(
    ("name", "working"), [("kafka", "data-plane-kafk"), ("connect", "task-thread-out")]
)
def test_java_compiles_only_with_what_its_working_threads_leave(
    stack: RunningStack, name: str, working: str
) -> None:
    wait_until_whole(stack)
    pid = stack.processes()[name].pid
    niceness = {
        (task / "comm").read_text().strip(): psutil.Process(int(task.name)).nice()
        for task in Path(f"/proc/{pid}/task").iterdir()
    }
    # The second one's has the same name but for its number; the tests' Java does without it.
    assert niceness["C1 CompilerThre"] == 10
    assert niceness[working] == 0


def test_status_says_what_is_down_and_exits_with_1(stack: RunningStack) -> None:
    wait_until_whole(stack)
    pid = stack.processes()["ledger-writer"].pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        code, out, _ = stack.outbox("status", "--output", "json")
    finally:
        os.kill(pid, signal.SIGCONT)
    healthy = {process["name"]: process["healthy"] for process in json.loads(out)}
    assert code == 1
    assert not healthy["ledger-writer"]
    assert healthy["postgres"]
    wait_until_whole(stack)


def test_each_process_of_ours_tells_its_metrics_under_its_name(stack: RunningStack) -> None:
    wait_until_whole(stack)
    for name, process in stack.processes().items():
        if name in {"postgres", "kafka", "connect"}:
            assert process.metrics_url is None
            continue
        page = httpx.get(str(process.metrics_url), timeout=10)
        assert page.status_code == httpx.codes.OK
        assert f'outbox_build_info{{process="{name}",version=' in page.text
        assert "outbox_ready 1.0" in page.text
        assert httpx.get(f"{process.address}/live", timeout=10).status_code == httpx.codes.OK
