import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from stream_processors.engine.deaths import DEATHS_BEFORE_QUARANTINE, DeathJournal
from stream_processors.engine.messages import InboundRecord

POSITION = "events.session[0]@7"


def _die_at(directory: Path, position: str) -> None:
    """What a process leaves behind that died with a record in its hands."""
    DeathJournal(directory).take_up(position)


def test_a_record_is_deadly_after_the_third_death(tmp_path: Path) -> None:
    verdicts = []
    for _ in range(4):
        journal = DeathJournal(tmp_path)
        verdicts.append((journal.deaths(POSITION), journal.is_deadly(POSITION)))
        journal.take_up(POSITION)

    assert verdicts == [(0, False), (1, False), (2, False), (3, True)]
    assert DEATHS_BEFORE_QUARANTINE == 3


def test_a_record_that_was_put_down_is_not_to_blame(tmp_path: Path) -> None:
    journal = DeathJournal(tmp_path)
    journal.take_up(POSITION)
    journal.put_down()

    assert DeathJournal(tmp_path).deaths(POSITION) == 0


def test_only_the_record_in_hand_is_to_blame(tmp_path: Path) -> None:
    journal = DeathJournal(tmp_path)
    journal.take_up("events.session[0]@6")
    journal.put_down()
    journal.take_up(POSITION)

    after = DeathJournal(tmp_path)
    assert (after.deaths("events.session[0]@6"), after.deaths(POSITION)) == (0, 1)


def test_a_death_is_counted_once_however_often_the_process_starts(tmp_path: Path) -> None:
    _die_at(tmp_path, POSITION)
    for _ in range(5):
        assert DeathJournal(tmp_path).deaths(POSITION) == 1


def test_a_shorter_position_is_not_mixed_with_a_longer_one(tmp_path: Path) -> None:
    journal = DeathJournal(tmp_path)
    journal.take_up("billing.package-sessions[0]@123456789")
    journal.put_down()
    journal.take_up("a[0]@1")

    assert DeathJournal(tmp_path).deaths("a[0]@1") == 1


def test_a_position_longer_than_the_slot_is_cut_and_breaks_nothing(tmp_path: Path) -> None:
    journal = DeathJournal(tmp_path)
    journal.take_up("x" * 10_000)

    assert DeathJournal(tmp_path).deaths("x" * 4094) == 1


def test_a_slot_that_is_no_text_is_survived(tmp_path: Path) -> None:
    DeathJournal(tmp_path)
    (tmp_path / "in_hand").write_bytes(b"\0\x02\xff\xfe".ljust(4096, b"\0"))

    assert DeathJournal(tmp_path).deaths(POSITION) == 0


@pytest.mark.parametrize("content", ["", "{", '{"a": '])
def test_a_counts_file_that_was_torn_does_not_stop_the_process(
    tmp_path: Path, content: str
) -> None:
    """A power cut can leave it empty: at worst a record is tried three times more."""
    (tmp_path / "deaths.json").write_text(content)

    _die_at(tmp_path, POSITION)
    assert DeathJournal(tmp_path).deaths(POSITION) == 1


def test_a_killed_process_leaves_the_record_that_it_held(tmp_path: Path) -> None:
    program = textwrap.dedent(
        f"""
        from pathlib import Path
        from stream_processors.engine.deaths import DeathJournal
        DeathJournal(Path({str(tmp_path)!r})).take_up({POSITION!r})
        print("holding", flush=True)
        input()
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)

    assert DeathJournal(tmp_path).deaths(POSITION) == 1


def test_a_position_is_that_of_a_record(tmp_path: Path) -> None:
    record = InboundRecord("events.session", 0, 7, None, None)
    _die_at(tmp_path, record.position)

    assert DeathJournal(tmp_path).deaths(POSITION) == 1
