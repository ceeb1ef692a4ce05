"""The user that PostgreSQL runs as, and a folder which that user can reach.

PostgreSQL refuses to run as root. Root therefore starts it as an unprivileged user, who often
cannot traverse root's folders (a clone under /root, a 0700 temporary folder): data, and if need
be a copy of the binaries, then lie under a folder of /var/tmp that only root writes.
"""

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from infra.local.errors import StackError
from infra.local.files import write_private

DEFAULT_USER = "nobody"
TRAVERSABLE = 0o711


@dataclass(frozen=True, slots=True)
class PostgresOwner:
    """Who owns the cluster. ``user`` is None where we are that user ourselves.

    ``directory`` holds the cluster (in ``data``), ``installation`` the programs.
    """

    user: str | None
    directory: Path
    installation: Path

    def run(self, arguments: list[str], timeout: float) -> None:
        """Run a program as the owner; raises subprocess.CalledProcessError with its output."""
        identity = pwd.getpwnam(self.user) if self.user else None
        subprocess.run(
            arguments,
            check=True,
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd="/",
            user=identity.pw_uid if identity else None,
            group=identity.pw_gid if identity else None,
            extra_groups=[] if identity else None,
        )

    def give(self, path: Path) -> None:
        """Make the owner the owner of ``path``."""
        if self.user:
            identity = pwd.getpwnam(self.user)
            os.chown(path, identity.pw_uid, identity.pw_gid)

    def private_file(self, name: str, text: str) -> Path:
        """Return a file that only the owner reads."""
        path = self.directory / name
        write_private(path, text)
        self.give(path)
        return path

    def remove(self, path: Path) -> None:
        """Delete a folder of the owner's if it is there."""
        if path.exists():
            shutil.rmtree(path)


def reachable_by_others(path: Path) -> bool:
    """Whether any user may traverse every folder down to ``path``."""
    existing = [folder for folder in (path, *path.parents) if folder.exists()]
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in existing)


def _unprivileged_user() -> str:
    """Return the user that root starts PostgreSQL as; raises StackError if there is none."""
    name = os.environ.get("OUTBOX_POSTGRES_USER") or DEFAULT_USER
    try:
        identity = pwd.getpwnam(name)
    except KeyError as error:
        raise StackError(
            f"PostgreSQL cannot run as root, and there is no user {name!r} to run it as. "
            "Set OUTBOX_POSTGRES_USER to an unprivileged user."
        ) from error
    if identity.pw_uid == 0:
        raise StackError(
            f"OUTBOX_POSTGRES_USER is {name!r}, which is root; PostgreSQL refuses to run as root. "
            "Set it to an unprivileged user."
        )
    return name


def public_directory(home: Path) -> Path:
    """Return the folder of /var/tmp that belongs to ``home``; it may not exist."""
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path("/var/tmp") / f"outbox-{digest}"  # noqa: S108 - checked to be root's own before use


def cluster_directories(home: Path) -> list[Path]:
    """Both places where the cluster of ``home`` may lie."""
    return [home / "postgres", public_directory(home) / "postgres"]


def _ensure_public_directory(home: Path) -> Path:
    """Create it, or raise StackError if somebody else made it first."""
    directory = public_directory(home)
    directory.mkdir(mode=TRAVERSABLE, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise StackError(
            f"{directory} should be a folder of ours but belongs to user {found.st_uid}. "
            "Remove it, or set OUTBOX_HOME to a folder that others can traverse."
        )
    directory.chmod(TRAVERSABLE)
    return directory


def _open_to_others(directory: Path) -> None:
    """Let anyone read what its owner may read, and run or enter what its owner may."""
    for path in (directory, *directory.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            shared = mode & (stat.S_IRUSR | stat.S_IXUSR)
            path.chmod(mode | shared >> 3 | shared >> 6)


def _public_installation(installation: Path, public: Path) -> Path:
    """Return a copy of the programs that the unprivileged user can reach, made once.

    A wheel keeps the libraries that it brings in a folder beside its package, and its programs
    look for them by that relative path: both are copied, in the same places.
    """
    package = installation.parent
    version = (installation / "bin" / "postgres").stat().st_mtime_ns
    stamp = hashlib.sha256(f"{installation} {version}".encode()).hexdigest()[:16]
    copy = public / f"programs-{stamp}"
    if not copy.exists():
        fresh = copy.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        relative = installation.relative_to(package.parent)
        shutil.copytree(installation, fresh / relative, symlinks=True)
        for libraries in package.parent.glob(f"{package.name}*.libs"):
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        _open_to_others(fresh)
        fresh.replace(copy)
    return copy / installation.relative_to(package.parent)


def _directory_for(home: Path, user: str) -> Path:
    """Choose where the cluster lies: where it is already, else where ``user`` can reach it."""
    inside, outside = home / "postgres", public_directory(home) / "postgres"
    if (outside / "data").exists():
        return outside
    if reachable_by_others(home):
        return inside
    if (inside / "data").exists():
        raise StackError(
            f"PostgreSQL's data lies in {inside}, which its user {user} can no longer reach. Let "
            f"others traverse the folders above it (chmod o+x), or set OUTBOX_POSTGRES_USER."
        )
    _ensure_public_directory(home)
    return outside


def postgres_owner(home: Path, installation: Path) -> PostgresOwner:
    """Choose user and folders, and create the folders; raises StackError."""
    home.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        home.chmod(0o700)
        directory = home / "postgres"
        directory.mkdir(mode=0o700, exist_ok=True)
        return PostgresOwner(None, directory, installation)
    user = _unprivileged_user()
    home.chmod(TRAVERSABLE)
    directory = _directory_for(home, user)
    directory.mkdir(mode=0o700, exist_ok=True)
    if not reachable_by_others(installation / "bin" / "postgres"):
        installation = _public_installation(installation, _ensure_public_directory(home))
    owner = PostgresOwner(user, directory, installation)
    owner.give(directory)
    return owner
