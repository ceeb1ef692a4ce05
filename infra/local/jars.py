"""The jars of Kafka, Connect and Debezium: named by jars.lock, downloaded once, verified.

They belong to the installation, not to a stack: every OUTBOX_HOME of one environment shares them.
"""

import fcntl
import hashlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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


def jars_directory() -> Path:
    """Return the folder of jars of this installation."""
    return Path(sys.prefix) / "share" / "outbox" / "jars"


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def missing_jars(jars: Iterable[LockedJar], directory: Path) -> list[LockedJar]:
    """Those that are not there in full; content is verified when it arrives, size each time."""
    return [
        jar
        for jar in jars
        if not (path := directory / jar.relative_path).is_file()
        or path.stat().st_size != jar.size_bytes
    ]


def remove_strays(jars: Iterable[LockedJar], directory: Path) -> None:
    """Delete jars that the lock does not name: a class path is a whole folder."""
    wanted = {directory / jar.relative_path for jar in jars}
    for path in directory.rglob("*.jar"):
        if path not in wanted:
            path.unlink()


@contextmanager
def alone_with_jars(directory: Path) -> Iterator[None]:
    """Two stacks of one installation may start at once; one downloads, the other waits."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def ensure_jars(directory: Path | None = None, repository: str | None = None) -> Path:
    """Download what is missing and return the folder of jars.

    ``repository`` is a Maven repository's root, default OUTBOX_MAVEN_REPOSITORY or Maven Central.
    Raises DownloadError, ChecksumError or DiskFullError.
    """
    directory = directory or jars_directory()
    jars = read_lock(LOCK.read_text())
    if missing_jars(jars, directory):
        # Only here, since an HTTP client and jgo are slow to import and seldom needed.
        from infra.local.download import download_all  # noqa: PLC0415

        with alone_with_jars(directory):
            download_all(missing_jars(jars, directory), directory, repository)
    remove_strays(jars, directory)
    return directory
