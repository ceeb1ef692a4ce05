"""A PostgreSQL server of the test session's own: the local stack's, without the rest of it."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from infra.local.credentials import Credentials, ensure_credentials
from infra.local.files import tail
from infra.local.layout import HOST, Layout
from infra.local.owner import TRAVERSABLE, PostgresOwner, postgres_owner, public_directory
from infra.local.postgres import (
    SUPERUSER,
    client_environment,
    database_url,
    installation,
    prepare_postgres,
)
from infra.postgres.migrate import url_of_database

# The cluster dies with the session: a thousand databases are made and dropped, none is kept.
NOT_DURABLE = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
# Hashing a password 4,096 times over takes longer than all else of a connection: from 16 on.
QUICK_LOGINS = ("-c", "scram_iterations=1")
MEMORY = Path("/dev/shm")  # noqa: S108 - what is made there is made by tempfile
MEMORY_FREE_BYTES_MIN = 4 * 1024**3
START_SECONDS = 30
STOP_SECONDS = 30


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server. `admin_url` is the superuser's, to its database `postgres`."""

    layout: Layout
    admin_url: str
    passwords: Mapping[str, str]

    def url(self, role: str, database: str) -> str:
        """Return the connection string of one of our roles to one database."""
        return database_url(self.layout, role, self.passwords[role], database)

    def admin_url_of(self, database: str) -> str:
        """Return the superuser's connection string to one database."""
        return url_of_database(self.admin_url, database)


def _is_answering(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def quick_folder(otherwise: Path) -> Iterator[Path]:
    """Give a folder in memory, or `otherwise` where there is no room for it.

    A database is a few hundred files, and each test has one: on a disk, making and dropping them
    takes half of the processor time of the tests that use one (2 cores, 2026-11-29).
    """
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < MEMORY_FREE_BYTES_MIN:
        yield otherwise
        return
    with tempfile.TemporaryDirectory(prefix="outbox-tests-", dir=MEMORY) as name:
        folder = Path(name)
        folder.chmod(TRAVERSABLE)
        yield folder


@contextmanager
def running_postgres(home: Path) -> Iterator[PostgresServer]:
    """Start a new cluster under `home`, on a free port; stop and delete it afterwards."""
    layout = Layout(home, _free_port())
    credentials = ensure_credentials(layout.secrets)
    with (
        _folder_of(layout, installation()) as owner,
        _serving(layout, owner, credentials, prepare_postgres, QUICK_LOGINS) as server,
    ):
        with psycopg.connect(server.admin_url) as admin:
            password = sql.SQL("ALTER ROLE {} PASSWORD {}")
            admin.execute(password.format(sql.Identifier(SUPERUSER), credentials.superuser))
        yield server


@contextmanager
def running_older_postgres(
    home: Path,
    programs: Path | None = None,
    configure: Callable[[PostgresOwner], None] = lambda _: None,
) -> Iterator[PostgresServer]:
    """Start an older PostgreSQL: the 16 of the same wheel, or another one's `programs`.

    `configure` is given the owner of the cluster before it starts. Otherwise as running_postgres.
    """
    layout = Layout(home, _free_port())
    credentials = ensure_credentials(layout.secrets)

    def prepare(layout: Layout, owner: PostgresOwner, superuser_password: str) -> None:
        _prepare_older(layout, owner, superuser_password)
        configure(owner)

    with (
        _folder_of(layout, programs or installation().with_name("pginstall")) as owner,
        _serving(layout, owner, credentials, prepare) as server,
    ):
        yield server


def _prepare_older(layout: Layout, owner: PostgresOwner, superuser_password: str) -> None:
    """As prepare_postgres, without what only a later initdb can."""
    password_file = owner.private_file("superuser-password", superuser_password)
    data = owner.directory / "data"
    initdb = [str(owner.installation / "bin" / "initdb"), "-D", str(data), "-U", SUPERUSER]
    choices = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
    owner.run([*initdb, *choices, f"--pwfile={password_file}"], timeout=START_SECONDS)
    with (data / "postgresql.conf").open("a") as file:
        file.write(
            f"port = {layout.postgres_port}\nlisten_addresses = '{HOST}'\n"
            "unix_socket_directories = ''\nwal_level = logical\n"
        )


@contextmanager
def _folder_of(layout: Layout, programs: Path) -> Iterator[PostgresOwner]:
    owner = postgres_owner(layout.home, programs)
    try:
        yield owner
    finally:
        shutil.rmtree(owner.directory)
        if os.geteuid() == 0:
            # Where the owner cannot reach the session's folder, it all lies there.
            shutil.rmtree(public_directory(layout.home), ignore_errors=True)


@contextmanager
def _serving(
    layout: Layout,
    owner: PostgresOwner,
    credentials: Credentials,
    prepare: Callable[[Layout, PostgresOwner, str], None],
    options: Sequence[str] = (),
) -> Iterator[PostgresServer]:
    prepare(layout, owner, credentials.superuser)
    program = str(owner.installation / "bin" / "postgres")
    log = layout.home / "postgres.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "-D", str(owner.directory / "data"), *NOT_DURABLE, *options],
            user=owner.user,
            group=None if owner.user is None else pwd.getpwnam(owner.user).pw_gid,
            extra_groups=None if owner.user is None else [],
            cwd="/",
            env=client_environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        admin_url = database_url(layout, SUPERUSER, credentials.superuser, "postgres")
        deadline = time.monotonic() + START_SECONDS
        while not _is_answering(admin_url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{tail(log)}")
            time.sleep(0.05)
        yield PostgresServer(layout, admin_url, credentials.roles)
    finally:
        # Its fast shutdown: clients are disconnected, nobody is waited for.
        process.send_signal(signal.SIGINT)
        process.wait(STOP_SECONDS)
