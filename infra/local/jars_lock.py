"""jars.lock: which jars there are, under which names and with which content."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

LOCK = Path(__file__).with_name("jars.lock")
HEADING = """\
# The jars of the local stack, written by `make lock`.
# class path, group:artifact:version, sha256, bytes
"""


@dataclass(frozen=True, slots=True)
class LockedJar:
    """One line of jars.lock. ``class_path`` is the folder that it belongs in."""

    class_path: str
    group: str
    artifact: str
    version: str
    sha256: str
    size_bytes: int

    @property
    def file_name(self) -> str:
        """As Maven names it."""
        return f"{self.artifact}-{self.version}.jar"

    @property
    def repository_path(self) -> str:
        """Where a Maven repository keeps it, relative to the repository's root."""
        return f"{self.group.replace('.', '/')}/{self.artifact}/{self.version}/{self.file_name}"

    @property
    def relative_path(self) -> Path:
        """Where it lies under the folder of jars."""
        return Path(self.class_path) / self.file_name


def lock_text(jars: Iterable[LockedJar]) -> str:
    """Return the text of jars.lock, sorted so that a change is one line of a diff."""
    rows = sorted((jar.class_path, jar.group, jar.artifact, jar) for jar in jars)
    lines = [
        f"{jar.class_path} {jar.group}:{jar.artifact}:{jar.version} {jar.sha256} {jar.size_bytes}\n"
        for *_, jar in rows
    ]
    return HEADING + "".join(lines)


def read_lock(text: str) -> list[LockedJar]:
    """Return the jars that a jars.lock names; raises ValueError on a line of another shape."""
    jars = []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        class_path, coordinate, sha256, size = line.split()
        group, artifact, version = coordinate.split(":")
        jars.append(LockedJar(class_path, group, artifact, version, sha256, int(size)))
    return jars


def locked_version(artifact: str) -> str:
    """Return the version of a jar that is in jars.lock; raises KeyError for one that is not."""
    versions = {jar.artifact: jar.version for jar in read_lock(LOCK.read_text(encoding="utf-8"))}
    return versions[artifact]


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
