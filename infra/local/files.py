"""Writing small files so that a crash leaves the old or the new one, never half of it."""

import os
import subprocess
from pathlib import Path

PRIVATE = 0o600


def write_private(path: Path, text: str) -> None:
    """Replace ``path`` by ``text``, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)


def tail(path: Path, lines: int = 15) -> str:
    """Return the last ``lines`` of a log, or a word that there is none."""
    if not path.is_file():
        return f"(no log at {path})"
    content = path.read_text(errors="replace").splitlines()
    return "\n".join(content[-lines:]) or f"({path} is empty)"


def captured_output(error: subprocess.CalledProcessError | subprocess.TimeoutExpired) -> str:
    """Return what a failed program had printed; bytes even in text mode where time ran out."""
    parts = (error.stdout, error.stderr)
    return "".join(
        part.decode(errors="replace") if isinstance(part, bytes) else part or "" for part in parts
    )
