"""PostgreSQL servers side by side: a stack's own, its standbys, and who of them may be written to.

The stack's processes are given all addresses at once, as libpq takes them, and so find the server
that is promoted by themselves. Debezium takes one: its own leads to whoever is the primary.
"""

import pwd
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from infra.local.connect import secrets_file
from infra.local.credentials import Credentials, load_credentials
from infra.local.files import tail, write_private
from infra.local.health import read_page
from infra.local.layout import HOST, Layout
from infra.local.owner import PostgresOwner, postgres_owner
from infra.local.postgres import DATABASE, client_environment, installation
from infra.local.supervision import Supervisor
from tests.faults.proxy import Proxy
from tests.running_stack import RunningStack, running_stack
from tests.servers.database_server import Server
from tests.waiting import wait_until

STANDBYS_MAX = 3
STANDBY_PORTS_AFTER = 55  # after the base; those of one worker end long before
ADDRESS_PORT_AFTER = 54
COPY_SECONDS = 60.0
START_SECONDS = 60.0
REPLICATOR = "replicator"
READERS = ("ledger-writer", "connector-keeper", "scheduler", "console")
"""The stack's processes that know an address of PostgreSQL."""


@dataclass
class DatabaseServers:
    """The servers of one stack, as they were started. `primary` is the one that is written to."""

    stack: RunningStack
    owner: PostgresOwner
    credentials: Credentials
    servers: list[Server] = field(default_factory=list)
    primary: Server = field(init=False)
    address: Proxy | None = None

    @property
    def layout(self) -> Layout:
        """Where the stack lies."""
        return self.stack.layout

    @property
    def ports(self) -> list[int]:
        """The ports of all servers there may ever be."""
        first = self.layout.port_base + STANDBY_PORTS_AFTER
        return [self.layout.postgres_port, *range(first, first + STANDBYS_MAX)]

    @property
    def address_port(self) -> int:
        """The port that leads to the primary, whoever that is."""
        return self.layout.port_base + ADDRESS_PORT_AFTER

    def take_over(self) -> None:
        """Run the stack's PostgreSQL as a server of ours, which no supervisord starts again."""
        self.stack.stop("postgres")
        self.primary = self._started("primary", self.layout.postgres_port, self._data("data"))
        self.primary.query(f"CREATE ROLE {REPLICATOR} LOGIN REPLICATION PASSWORD '{REPLICATOR}'")
        self._tell_processes()
        self._tell_connector()

    def standby(self, *options: str) -> Server:
        """Copy the primary into a standby that follows it; `options` are of its command line.

        It reads the physical slot of its own name.
        """
        number = len(self.servers)
        name, data = f"standby_{number}", self._data(f"standby-{number}")
        shutil.rmtree(data, ignore_errors=True)
        self.primary.query("SELECT pg_create_physical_replication_slot(%s, true)", name)
        program = str(self.owner.installation / "bin" / "pg_basebackup")
        # The database of a copier of slots is any that its role may connect to.
        source = make_conninfo(
            host=HOST,
            port=self.primary.port,
            user=REPLICATOR,
            password=REPLICATOR,
            dbname="postgres",
        )
        copied = ["--wal-method=stream", "--checkpoint=fast", "--write-recovery-conf", "--no-sync"]
        self.owner.run(
            [program, "-d", source, "-D", str(data), "--slot", name, *copied],
            timeout=COPY_SECONDS,
        )
        named = ("-c", f"primary_slot_name={name}", "-c", f"cluster_name={name}")
        settings = ("-c", "hot_standby_feedback=on", *named, *options)
        return self._started(name, self.ports[number], data, *settings)

    def fail_over(self, standby: Server) -> None:
        """Kill the primary and promote a standby in its place."""
        self.primary.kill()
        self.primary = standby
        self.move_address()
        standby.promote()

    def move_address(self) -> None:
        """Let the address that Kafka Connect has lead to the primary, as a virtual one would."""
        if self.address is not None:
            self.address.close()
        self.address = Proxy(self.address_port, self.primary.port)

    def outbox(self, *arguments: str) -> tuple[int, str, str]:
        """Run the command line with every address of PostgreSQL: exit code, output, errors."""
        settings = {
            f"OUTBOX_{name.upper()}": self.stack.address(name)
            for name in ("admin_database_url", "database_url", "app_database_url")
        }
        return self.stack.outbox(*arguments, settings=settings)

    def wait_until_keeper_says(self, words: str) -> str:
        """Wait until the keeper's page has a fault with these words; return the fault."""
        url = f"http://{HOST}:{self.layout.connector_keeper_port}"

        def faults() -> list[str]:
            page = read_page(f"{url}/health") or {}
            return [str(fault) for fault in page.get("faults", {}).values()]

        told = wait_until(words, faults, is_so=lambda said: any(words in each for each in said))
        return next(each for each in told if words in each)

    def stop(self) -> None:
        """End every server, and delete what was copied."""
        if self.address is not None:
            self.address.close()
        for server in self.servers:
            server.stop()
        for number in range(1, STANDBYS_MAX + 1):
            shutil.rmtree(self._data(f"standby-{number}"), ignore_errors=True)

    def _data(self, name: str) -> Path:
        return self.owner.directory / name

    def _started(self, name: str, port: int, data: Path, *settings: str) -> Server:
        program = str(self.owner.installation / "bin" / "postgres")
        log = self.layout.log(f"postgres-{name}")
        user = self.owner.user
        with log.open("ab") as output:
            process = subprocess.Popen(
                [program, "-D", str(data), "-c", f"port={port}", *settings],
                user=user,
                group=None if user is None else pwd.getpwnam(user).pw_gid,
                extra_groups=None if user is None else [],
                cwd="/",
                env=client_environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        url = make_conninfo(
            self.stack.address("admin_database_url"),
            host=HOST,
            port=port,
            target_session_attrs="any",
        )
        server = Server(name, port, data, process, url)
        self.servers.append(server)
        deadline = time.monotonic() + START_SECONDS
        while not _is_answering(server):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start:\n{tail(log)}")
            time.sleep(0.05)
        return server

    def _tell_processes(self) -> None:
        """Give the stack's processes all addresses, and start them anew."""
        supervisor = Supervisor(self.layout, self.credentials.supervisor)
        file = self.layout.supervisor / "supervisord.conf"
        write_private(file, _with_all_hosts(file.read_text(), self.ports))
        supervisor.apply()
        for name in READERS:
            supervisor.start(name)

    def _tell_connector(self) -> None:
        """Give the connector the one address that moves: Debezium takes no list of hosts."""
        self.move_address()
        secrets = secrets_file(self.layout)
        text = secrets.read_text(encoding="utf-8")
        told = f"database.port={self.address_port}"
        write_private(secrets, re.sub(r"^database\.port=.*$", told, text, flags=re.MULTILINE))
        code, out, err = self.outbox("connectors", "restart")
        assert code == 0, out + err


@contextmanager
def database_servers(layout: Layout) -> Iterator[DatabaseServers]:
    """A fresh stack and its servers, of which there is one yet; all are stopped in the end."""
    with ExitStack() as closing:
        stack = closing.enter_context(running_stack(layout))
        credentials = load_credentials(layout.secrets)
        assert credentials is not None
        owner = postgres_owner(layout.home, installation())
        servers = DatabaseServers(stack, owner, credentials)
        servers.stack = replace(stack, environment=_with_all(stack.environment, servers.ports))
        try:
            servers.take_over()
            yield servers
            # Before their database, which they would wait for.
            closing.close()
        finally:
            servers.stop()


def _with_all(environment: Mapping[str, str | None], ports: list[int]) -> dict[str, str | None]:
    return {
        name: None if address is None else _with_all_hosts(address, ports)
        for name, address in environment.items()
    }


def _with_all_hosts(text: str, ports: list[int]) -> str:
    """Replace each address of PostgreSQL in a text by those of all; the primary is meant.

    In the form that libpq and SQLAlchemy take alike. Read-write would not do in place of primary:
    whoever of us only reads asks for read-only transactions, and libpq would refuse any server.
    """
    hosts, numbers = ",".join(HOST for _ in ports), ",".join(str(port) for port in ports)
    return text.replace(
        f"@{HOST}:{ports[0]}/{DATABASE}",
        f"@/{DATABASE}?host={hosts}&port={numbers}&target_session_attrs=primary",
    )


def _is_answering(server: Server) -> bool:
    try:
        server.query("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True
