"""A PostgreSQL server of the test session's own: the local stack's, without the rest of it."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from infra.local.credentials import ensure_credentials
from infra.local.files import tail
from infra.local.layout import HOST, Layout
from infra.local.owner import postgres_owner, public_directory
from infra.local.postgres import (
    SUPERUSER,
    client_environment,
    database_url,
    installation,
    postgres_program,
    prepare_postgres,
)
from infra.postgres.migrate import url_of_database

# The cluster dies with the session: hundreds of databases are made and dropped, none is kept.
NOT_DURABLE = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
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
def running_postgres(home: Path) -> Iterator[PostgresServer]:
    """Start a new cluster under `home`, on a free port; stop and delete it afterwards."""
    layout = Layout(home, _free_port())
    credentials = ensure_credentials(layout.secrets)
    owner = postgres_owner(layout.home, installation())
    prepare_postgres(layout, owner, credentials.superuser)
    log = home / "postgres.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*postgres_program(owner).command, *NOT_DURABLE],
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
        shutil.rmtree(owner.directory)
        if os.geteuid() == 0:
            shutil.rmtree(public_directory(home), ignore_errors=True)
