"""`outbox status --watch` on a real terminal and off one; every process of its stack is stopped."""

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.layout import project_directory
from tests.running_stack import outbox_command
from tests.waiting import wait_until

SECONDS = 40
CURSOR_UP, CURSOR_SHOWN = b"\x1b[1A", b"\x1b[?25h"


@contextmanager
def watching(home: Path, stdout: int, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        outbox_command("status", "--watch", "0.1", *options),
        env={**os.environ, "OUTBOX_HOME": str(home), "TERM": "xterm", "COLUMNS": "80"},
        cwd=project_directory(),
        stdout=stdout,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_on_a_terminal_it_is_drawn_in_one_place_until_ctrl_c(tmp_path: Path) -> None:
    terminal, end = pty.openpty()
    drawn = bytearray()
    with watching(tmp_path, end) as process:

        def read() -> bytearray:
            drawn.extend(os.read(terminal, 65_536))
            return drawn

        wait_until("it is drawn again", read, lambda seen: seen.count(b"postgres") > 2, SECONDS)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
        wait_until("the cursor is back", read, lambda seen: CURSOR_SHOWN in seen, SECONDS)
    assert CURSOR_UP in drawn
    os.close(end)
    os.close(terminal)


def test_off_a_terminal_each_line_of_json_is_a_whole_list(tmp_path: Path) -> None:
    with watching(tmp_path, subprocess.PIPE, "--output", "json") as process:
        assert process.stdout is not None
        lists = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    assert {(row["name"], row["state"]) for row in lists[-1]} >= {("postgres", "stopped")}
    assert [row["name"] for row in lists[0]] == [row["name"] for row in lists[2]]


def test_a_verb_whose_reader_leaves_ends_without_a_word(tmp_path: Path) -> None:
    with watching(tmp_path, subprocess.PIPE, "--output", "json") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(SECONDS) == 1
