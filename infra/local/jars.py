"""The jars of Kafka, Connect and Debezium: named by jars.lock, downloaded once, verified.

They belong to the installation, not to a stack: every OUTBOX_HOME of one environment shares them.
"""

import fcntl
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.jars_lock import LOCK, LockedJar, read_lock


def jars_directory() -> Path:
    """Return the folder of jars of this installation."""
    return Path(sys.prefix) / "share" / "outbox" / "jars"


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
