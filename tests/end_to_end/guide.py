"""A guide in Markdown, taken step by step in a copy of this checkout."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.local.layout import project_directory

COMMAND_SECONDS = 280
_BLOCK = re.compile(
    r"^## (?P<section>[^\n]+)$"
    r"|(?:^`(?P<file>[^`\n]+)`:\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code: under which heading, and the file that it is the whole of, if any."""

    section: str
    language: str
    file: str | None
    text: str

    def commands(self) -> list[tuple[str, list[str]]]:
        """Of a console: each command, and the lines that it is said to print."""
        found: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
        return found


def read_guide(name: str) -> list[Block]:
    """Return the blocks of a guide under docs/, in its order."""
    text = (project_directory() / "docs" / name).read_text(encoding="utf-8")
    section, blocks = "", []
    for found in _BLOCK.finditer(text):
        section = found["section"] or section
        if found["language"] is not None:
            blocks.append(Block(section, found["language"], found["file"], found["text"]))
    return blocks


class Checkout:
    """A copy of what is checked out here, with the same installed packages."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        inherited = {name: value for name, value in os.environ.items() if "OUTBOX_" not in name}
        self._environment = {
            **inherited,
            # What is installed is the checkout that the tests run in.
            "PYTHONPATH": str(folder),
            "GIT_CEILING_DIRECTORIES": str(folder.parent),
            **settings,
        }
        for name in _files():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(project_directory() / name, folder / name)
        (folder / ".venv").symlink_to(sys.prefix)

    def take(self, block: Block) -> None:
        """Write a block's file, apply its change, or run its commands and see what they print."""
        if block.file is not None:
            (self.folder / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "diff":
            self.run("git apply -", block.text)
        else:
            for command, expected in block.commands():
                missing = _missing(expected, self.run(command))
                assert not missing, f"`{command}` does not print {missing}"

    def run(self, command: str, given: str = "") -> str:
        """Run a command as a person would; return what it prints, wherever it prints it."""
        finished = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env=self._environment,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert finished.returncode == 0, f"`{command}` failed:\n{finished.stdout}"
        return finished.stdout


def _files() -> list[str]:
    listed = subprocess.run(
        # Whoever owns the checkout, and what is not committed yet too.
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"],  # noqa: S607
        cwd=project_directory(),
        capture_output=True,
        text=True,
        check=True,
    )
    names = [name for name in listed.stdout.split("\0") if name]
    return [name for name in names if (project_directory() / name).is_file()]


def _missing(expected: list[str], printed: str) -> list[str]:
    """Return what was to be printed, in this order, from the first line that was not."""
    lines = iter([_without_figures(line) for line in printed.splitlines()])
    for number, line in enumerate(expected):
        if _without_figures(line) not in lines:
            return [*expected[number:], "but:", printed]
    return []


def _without_figures(line: str) -> str:
    """Times, ports and counts differ from run to run."""
    return re.sub(r"\d+", "0", line).strip()
