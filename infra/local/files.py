"""Writing small files so that a crash leaves the old or the new one, never half of it."""

import os
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
    """The last ``lines`` of a log, or a word that there is none."""
    if not path.is_file():
        return f"(no log at {path})"
    content = path.read_text(errors="replace").splitlines()
    return "\n".join(content[-lines:]) or f"({path} is empty)"
