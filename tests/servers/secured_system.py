"""A system of ours on servers of others: each role's way to them, and our processes there."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from infra.connect.worker import SourceDatabase
from infra.local.health import read_page
from infra.local.layout import project_directory
from infra.postgres.migrate import ROLES
from operations.setup.database import password_variable
from schemas.brokers import Brokers
from stream_processors.kafka_settings import security_environment
from tests.postgres_server import PostgresServer
from tests.processes import free_port, running
from tests.running_stack import outbox_command
from tests.servers.certificates import Authority
from tests.servers.secured_servers import SecuredConnect, SecuredKafka, secured_connect
from tests.waiting import wait_until

DATABASE = "outbox"


@dataclass
class System:
    """The servers, and each role's way to them."""

    home: Path
    authority: Authority
    postgres: PostgresServer
    kafka: SecuredKafka
    brokers: Mapping[str, Brokers]
    connect: SecuredConnect | None = None
    health: dict[str, str] = field(default_factory=dict)

    def url(self, role: str) -> str:
        return self.tls(self.postgres.url(role, DATABASE))

    def tls(self, url: str) -> str:
        """A connection string that checks the server's certificate and its name."""
        root = str(self.authority.ca_file)
        return make_conninfo(url, sslmode="verify-full", sslrootcert=root)

    def kafka_settings(self, role: str) -> dict[str, str]:
        """What a process or a verb is told of Kafka, by the names of the environment."""
        brokers = self.brokers[role]
        told = security_environment(brokers.security)
        return {"OUTBOX_KAFKA_BOOTSTRAP_SERVERS": brokers.addresses, **told}

    def connect_settings(self) -> dict[str, str]:
        connect = self.connect
        assert connect is not None
        return {
            "OUTBOX_CONNECT_URL": connect.url,
            "OUTBOX_CONNECT_SSL_CA_FILE": str(connect.security.ca_file),
            "OUTBOX_CONNECT_SSL_CERTIFICATE_FILE": str(connect.security.certificate_file),
            "OUTBOX_CONNECT_SSL_KEY_FILE": str(connect.security.key_file),
            "OUTBOX_CONNECTOR_SECRETS_FILE": str(connect.secrets_file),
            "OUTBOX_CONNECTOR_SSL_MODE": "verify-full",
            "OUTBOX_CONNECTOR_SSL_CA_FILE": str(self.authority.ca_file),
        }

    def operator_settings(self) -> dict[str, str]:
        """What a person's command line is told."""
        connect = self.connect_settings() if self.connect is not None else {}
        return {
            **self.kafka_settings("operator"),
            **connect,
            "OUTBOX_HOME": str(self.home / "nothing-local"),
            "OUTBOX_DATABASE_URL": self.url("outbox_owner"),
            "OUTBOX_ADMIN_DATABASE_URL": self.tls(self.postgres.admin_url),
        }

    def outbox(self, *arguments: str, **settings: str) -> tuple[int, str, str]:
        """Run the command line: exit code, standard output, standard error."""
        done = subprocess.run(
            outbox_command(*arguments),
            env={**os.environ, **self.operator_settings(), **settings},
            cwd=project_directory(),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def done(self, *arguments: str, **settings: str) -> str:
        """Run the command line, which must succeed; its standard output."""
        code, printed, said = self.outbox(*arguments, **settings)
        assert code == 0, (arguments, printed, said)
        return printed

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url("outbox_owner"), autocommit=True) as owner:
            cursor = owner.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def process(self, name: str, module: str, settings: Mapping[str, str]) -> Iterator[None]:
        """Run a process of ours until the block ends, from when it is ready."""
        port = free_port()
        told = {
            **settings,
            "OUTBOX_STATE_DIRECTORY": str(self.home / "state" / name),
            "OUTBOX_HEALTH_PORT": str(port),
        }
        self.health[name] = f"http://127.0.0.1:{port}/health"
        own = {key.removeprefix("OUTBOX_"): value for key, value in told.items()}
        with running(module, own):
            wait_until(
                f"{name} is ready",
                lambda: read_page(self.health[name]),
                lambda page: bool((page or {}).get("ready")),
                90,
            )
            yield


def set_up(system: System, closing: ExitStack) -> None:
    """Make database, rights, topics and connector, by the verbs that a person would use."""
    passwords = {password_variable(role): text for role, text in system.postgres.passwords.items()}
    assert set(system.postgres.passwords) == set(ROLES)
    system.done("setup", "database", **passwords)
    as_admin = {
        "OUTBOX_KAFKA_BOOTSTRAP_SERVERS": system.kafka.as_admin.addresses,
        **security_environment(system.kafka.as_admin.security),
    }
    principal = "ledger-writer=User:ledger-writer"
    system.done("setup", "acls", "--apply", "--principal", principal, **as_admin)
    system.done("setup", "topics")
    database = SourceDatabase(
        host="127.0.0.1",
        port=system.postgres.layout.postgres_port,
        name=DATABASE,
        user="outbox_connector",
        password=system.postgres.passwords["outbox_connector"],
    )
    layout, brokers = system.kafka.layout, system.brokers["connect"]
    connecting = secured_connect(layout, system.authority, brokers, database)
    system.connect = closing.enter_context(connecting)
    system.done("connectors", "apply")
