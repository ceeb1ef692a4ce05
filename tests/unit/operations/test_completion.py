"""A real shell completes what a person has typed so far, with the script that `outbox` prints."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from operations.completion import COMPLETE_VARIABLE, PROGRAM, SHELLS
from operations.main import VERBS, main

SLOW_TO_IMPORT = ("psycopg", "confluent_kafka", "httpx", "pydantic", "rich")
# What bash does when TAB is pressed after the words of "$@".
PRESS_TAB = """
source "$SCRIPT"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_outbox_completion outbox
printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete_in_bash(folder: Path, *words: str) -> list[str]:
    """What bash offers for the last of the words, by the script of `outbox completion bash`."""
    script = folder / "completion.bash"
    script.write_text(CliRunner().invoke(main, ["completion", "bash"]).stdout)
    program = folder / "outbox"
    program.write_text(f"#!{sys.executable}\nfrom operations.main import main\nmain()\n")
    program.chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "SCRIPT": str(script)}
    finished = subprocess.run(
        ["bash", "--norc", "-c", PRESS_TAB, "bash", *words],  # noqa: S607 - bash of the PATH
        env=environment,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stderr == ""
    return finished.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["outbox", "re"], ["reconcile", "rebuild", "replay"]),
        (["outbox", "exceptions", "list", "--reason", "price"], ["price_missing"]),
    ],
)
def test_bash_completes_verbs_and_values(
    tmp_path: Path, words: list[str], offered: list[str]
) -> None:
    assert complete_in_bash(tmp_path, *words) == offered


@pytest.mark.parametrize(
    ("words", "incomplete", "offered"),
    [
        (["exceptions"], "re", ["retry", "resolve"]),
        (["exceptions", "list"], "--st", ["--status"]),
        (["events", "tail", "--type"], "contract.", ["contract.activated", "contract.signed"]),
        (["status", "--output"], "=", ["table", "json"]),
        (["help", "ledger"], "v", ["verify"]),
        (["completion"], "", list(SHELLS)),
    ],
)
def test_verbs_options_and_values_are_completed(
    words: list[str], incomplete: str, offered: list[str]
) -> None:
    completing = BashComplete(main, {}, PROGRAM, COMPLETE_VARIABLE)
    assert [item.value for item in completing.get_completions(words, incomplete)] == offered


def test_verbs_are_completed_without_importing_any() -> None:
    script = (
        "import sys\nfrom operations.main import main\n"
        "from click.shell_completion import BashComplete\n"
        "offered = BashComplete(main, {}, 'outbox', '_OUTBOX_COMPLETE').get_completions([], '')\n"
        "print([item.value for item in offered])\n"
        f"print([name for name in {SLOW_TO_IMPORT} if name in sys.modules])"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert finished.stdout.splitlines() == [str(list(VERBS)), "[]"]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell_asks_the_command_itself(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert f"_OUTBOX_COMPLETE={shell}_complete" in result.stdout


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["statsu"], "No such command 'statsu'. Did you mean 'status'?"),
        (["ledger", "revers"], "No such command 'revers'. Did you mean 'reverse'?"),
        (["help", "ledger", "revers"], "No such command 'revers'. Did you mean 'reverse'?"),
        (["xyzzy"], "No such command 'xyzzy'."),
        (["help", "up", "x"], "outbox up has no verbs of its own."),
    ],
)
def test_a_mistyped_verb_is_wrong_usage_and_the_nearest_is_named(
    typed: list[str], meant: str
) -> None:
    result = CliRunner().invoke(main, typed, prog_name="outbox")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == f"Error: {meant}"


@pytest.mark.parametrize("names", [[], ["reconcile"], ["exceptions", "retry"]])
def test_help_of_a_verb_is_what_the_verb_itself_prints(names: list[str]) -> None:
    asked = CliRunner().invoke(main, ["help", *names], prog_name="outbox")
    printed = CliRunner().invoke(main, [*names, "--help"], prog_name="outbox")
    assert asked.stdout == printed.stdout != ""
    assert asked.exit_code == 0


def test_without_a_verb_the_help_is_printed_and_usage_is_wrong() -> None:
    result = CliRunner().invoke(main, [], prog_name="outbox")
    assert result.exit_code == 2
    assert "Commands:" in result.stderr
    assert result.stdout == ""
