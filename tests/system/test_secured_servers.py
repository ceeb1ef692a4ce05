"""The whole way on servers that let nobody in without TLS, a name and the rights of his role.

PostgreSQL requires TLS, Kafka requires SASL_SSL or a client's certificate and enforces ACLs, Kafka
Connect requires a certificate. Each role has exactly the rights that `outbox setup acls` lists.
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient
from psycopg.conninfo import make_conninfo

from infra.connect.worker import SourceDatabase
from infra.local.health import read_page
from infra.local.layout import Layout, project_directory
from infra.postgres.migrate import ROLES
from operations.setup.database import password_variable
from schemas.brokers import Brokers
from schemas.topics import EVENTS_SESSION, PAYABLES
from stream_processors.kafka_settings import security_environment
from tests.postgres_server import PostgresServer
from tests.processes import free_port, running
from tests.running_stack import outbox_command, session_port_base
from tests.system.certificates import Authority
from tests.system.secured_servers import (
    POSTGRES_PROGRAMS,
    SecuredConnect,
    SecuredKafka,
    secured_connect,
    secured_kafka,
    tls_postgres,
)
from tests.waiting import wait_until

DATABASE = "outbox"
PORTS_AFTER_THE_SESSIONS = 200


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


def _set_up(system: System, closing: ExitStack) -> None:
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


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    if not (POSTGRES_PROGRAMS / "bin" / "postgres").exists():
        pytest.fail("Debian's postgresql-15 is not installed, which tests/system needs.")
    home = tmp_path_factory.mktemp("secured")
    layout = Layout(home / "services", session_port_base() + PORTS_AFTER_THE_SESSIONS)
    layout.home.mkdir()
    with ExitStack() as closing:
        authority = Authority(home / "certificates")
        postgres = closing.enter_context(tls_postgres(home / "postgres", authority))
        kafka = closing.enter_context(secured_kafka(layout, authority))
        roles = ("connect", "worker", "observer", "console", "operator")
        brokers = {role: kafka.add_user(f"outbox-{role}") for role in roles}
        brokers["ledger-writer"] = kafka.with_certificate(authority.issue("ledger-writer"))
        made = System(home, authority, postgres, kafka, brokers)
        _set_up(made, closing)
        writer_url = {"OUTBOX_LEDGER_WRITER_DATABASE_URL": made.url("outbox_ledger_writer")}
        keeping = {
            **made.kafka_settings("observer"),
            **made.connect_settings(),
            "OUTBOX_DATABASE_URL": made.url("outbox_auditor"),
        }
        scheduling = {
            **made.kafka_settings("observer"),
            "OUTBOX_DATABASE_URL": made.url("outbox_owner"),
            "OUTBOX_SCHEDULER_FIRST_SECONDS": "0",
        }
        for name, module, settings in (
            ("worker", "stream_processors.worker", made.kafka_settings("worker")),
            (
                "ledger-writer",
                "stream_processors.ledger",
                {**made.kafka_settings("ledger-writer"), **writer_url},
            ),
            ("keeper", "operations.keeper", keeping),
            ("scheduler", "operations.scheduler", scheduling),
        ):
            own = {"OUTBOX_WORKER_NAME": name} if name == "worker" else {}
            closing.enter_context(made.process(name, module, {**settings, **own}))
        yield made


def session(name: str, **more: object) -> dict[str, object]:
    return {
        "sessionId": name,
        "contractId": "c",
        "mentorId": "m",
        "studentId": "u",
        "sessionType": "single",
        "requiredEvaluation": False,
        "completedAt": "2026-03-01T12:00:00Z",
        **more,
    }


def course(number: int) -> dict[str, object]:
    package = {"servicePackageId": "p", "packageCode": "course", "packageTotalSessions": 3}
    return session(f"of-p-{number}", **package)


def complete(system: System, *payloads: Mapping[str, object]) -> None:
    with psycopg.connect(system.url("outbox_application"), autocommit=True) as application:
        for payload in payloads:
            application.execute(
                "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload) "
                "VALUES ('session', %s, 'services.session.completed', %s)",
                [payload["sessionId"], json.dumps(payload)],
            )


def billed(system: System) -> set[str]:
    query = "SELECT coalesce(session_id, service_package_id) FROM mentor_payable_ledgers"
    return {subject for (subject,) in system.rows(query)}


def set_prices(system: System) -> None:
    for code, amount in (("single", 10_000), ("course", 200_000)):
        system.rows(
            "INSERT INTO mentor_prices VALUES ('m', %s, %s, 'USD', '2020-01-01') "
            "ON CONFLICT DO NOTHING RETURNING 1",
            code,
            amount,
        )


def test_sessions_and_packages_are_billed_and_reconciled_with_no_more_rights_than_listed(
    system: System,
) -> None:
    set_prices(system)
    complete(system, session("s-1"), session("s-2"), *(course(number) for number in range(3)))
    wait_until("all is billed", lambda: billed(system), lambda seen: seen == {"s-1", "s-2", "p"})
    verdict = json.loads(system.done("reconcile", "--output", "json"))
    assert (verdict["verdict"], verdict["billed"]) == ("clean", 3)
    for name, url in system.health.items():
        assert (read_page(url) or {}).get("ready"), name


def test_a_person_can_replay_rebuild_and_ask_the_doctor(system: System) -> None:
    set_prices(system)
    complete(system, session("s-3"))
    wait_until("it is billed", lambda: billed(system), lambda seen: "s-3" in seen)
    before = system.rows("SELECT count(*) FROM mentor_payable_ledgers")
    system.done("replay", "--session", "s-3")
    system.done("rebuild")
    code, printed, said = system.outbox("doctor", "--output", "json")
    findings = json.loads(printed)
    assert code == 0, (findings, said)
    assert system.rows("SELECT count(*) FROM mentor_payable_ledgers") == before


def refusal(brokers: Brokers, topic: str) -> int:
    """Try to write a record; the code of the error."""
    codes: list[int] = []

    def note(error: KafkaError | None, _: Message) -> None:
        codes.append(KafkaError.NO_ERROR if error is None else error.code())

    producer = Producer({**brokers.client, "message.timeout.ms": 10_000, "log_level": 0})
    producer.produce(topic, b"{}", b"key", on_delivery=note)
    producer.flush(20)
    return codes[0]


@pytest.mark.parametrize(
    ("role", "topic"),
    [
        ("worker", EVENTS_SESSION.name),
        ("ledger-writer", PAYABLES.name),
        ("observer", EVENTS_SESSION.name),
        ("connect", PAYABLES.name),
    ],
)
def test_a_role_may_not_write_what_is_not_its_own(system: System, role: str, topic: str) -> None:
    assert refusal(system.brokers[role], topic) == KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_without_tls_nobody_is_let_in(system: System) -> None:
    plain = make_conninfo(system.postgres.url("outbox_owner", DATABASE), sslmode="disable")
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        psycopg.connect(plain)
    kafka = AdminClient({"bootstrap.servers": system.kafka.sasl, "log_level": 0})
    with pytest.raises(KafkaException):
        kafka.list_topics(timeout=3)


def test_a_wrong_password_ends_the_process_with_an_error_that_names_the_setting(
    system: System, tmp_path: Path
) -> None:
    settings = {
        **system.kafka_settings("worker"),
        "OUTBOX_KAFKA_SASL_PASSWORD": secrets.token_urlsafe(16),
        "OUTBOX_STATE_DIRECTORY": str(tmp_path),
        "OUTBOX_HEALTH_PORT": str(free_port()),
        "OUTBOX_WORKER_NAME": "stranger",
    }
    done = subprocess.run(
        [sys.executable, "-m", "stream_processors.worker"],
        env={**os.environ, **settings},
        cwd=project_directory(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "OUTBOX_KAFKA_SASL_PASSWORD" in done.stdout + done.stderr
