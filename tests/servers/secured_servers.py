"""Servers as others run them: PostgreSQL with TLS alone, Kafka and Connect with TLS and names."""

import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from connectors.access import ConnectSecurity
from connectors.client import ConnectClient
from connectors.errors import ConnectorError
from infra.connect.properties import properties_text
from infra.connect.security import client_properties
from infra.connect.worker import ConnectWorker, SourceDatabase, connector_secrets, worker_properties
from infra.local.connect import PLUGINS
from infra.local.files import tail, write_private
from infra.local.health import PROBE_SECONDS
from infra.local.jars import ensure_jars
from infra.local.java import java_command, log_options
from infra.local.kafka import HEAP, server_properties
from infra.local.layout import Layout
from infra.local.owner import PostgresOwner
from schemas.brokers import Brokers, Security
from tests.postgres_server import PostgresServer, running_older_postgres
from tests.processes import free_port
from tests.servers.certificates import HOST, STORE_PASSWORD, Authority, Certificate

# Debian's: the server of the wheel is built without TLS.
POSTGRES_PROGRAMS = Path("/usr/lib/postgresql/15")
CLUSTER_ID = "securedsecuredsecured0"
ADMIN = "admin"
_START_SECONDS = 240.0
_ONLY_TLS = "".join(
    f"hostssl {what} all {HOST}/32 scram-sha-256\n" for what in ("all", "replication")
)
_PRINCIPALS = "RULE:^.*CN=([^,]+).*$/$1/,DEFAULT"


@contextmanager
def tls_postgres(home: Path, authority: Authority) -> Iterator[PostgresServer]:
    """Start a PostgreSQL that lets nobody in without TLS."""
    certificate = authority.issue("postgres")

    def configure(owner: PostgresOwner) -> None:
        data = owner.directory / "data"
        for name, source in (
            ("server.crt", certificate.certificate_file),
            ("server.key", certificate.key_file),
        ):
            write_private(data / name, source.read_text())
            owner.give(data / name)
        with (data / "postgresql.conf").open("a") as file:
            file.write("ssl = on\n")
        (data / "pg_hba.conf").write_text(_ONLY_TLS)

    with running_older_postgres(home, POSTGRES_PROGRAMS, configure) as server:
        yield server


@dataclass(frozen=True, slots=True)
class SecuredKafka:
    """A broker that asks everyone who he is, and lets him do what he has the rights for.

    `sasl` is where it asks for a name and a password, `mutual_tls` for a certificate.
    """

    layout: Layout
    authority: Authority
    admin_password: str
    sasl: str
    mutual_tls: str

    def with_password(self, name: str, password: str) -> Brokers:
        """Return the cluster as somebody with a password reaches it."""
        security = Security(
            protocol="SASL_SSL",
            username=name,
            password=password,
            ca_file=self.authority.ca_file,
        )
        return Brokers(self.sasl, security)

    def with_certificate(self, certificate: Certificate) -> Brokers:
        """Return the cluster as somebody with a certificate reaches it."""
        security = Security(
            protocol="SSL",
            ca_file=self.authority.ca_file,
            certificate_file=certificate.certificate_file,
            key_file=certificate.key_file,
        )
        return Brokers(self.mutual_tls, security)

    @property
    def as_admin(self) -> Brokers:
        """The cluster as its administrator reaches it."""
        return self.with_password(ADMIN, self.admin_password)

    def add_user(self, name: str) -> Brokers:
        """Make a user that has a password and no rights."""
        password = secrets.token_urlsafe(16)
        scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        upsertion = UserScramCredentialUpsertion(name, scram, password.encode())
        admin = AdminClient(self.as_admin.client)
        for answer in admin.alter_user_scram_credentials([upsertion]).values():
            answer.result(30)
        return self.with_password(name, password)


def _secured_properties(kafka: SecuredKafka, server: Certificate) -> str:
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule"
    login = f'{scram} required username="{ADMIN}" password="{kafka.admin_password}";'
    clients = f"SASL_SSL://{kafka.sasl},SSL://{kafka.mutual_tls}"
    chain = server.certificate_file.read_text()
    return server_properties(kafka.layout, 1) + properties_text(
        {
            "listeners": f"{clients},CONTROLLER://{HOST}:{kafka.layout.controller_port(1)}",
            "advertised.listeners": clients,
            "listener.security.protocol.map": ("SASL_SSL:SASL_SSL,SSL:SSL,CONTROLLER:PLAINTEXT"),
            "inter.broker.listener.name": "SASL_SSL",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": login,
            "listener.name.ssl.ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.certificate.chain": chain,
            "ssl.keystore.key": server.key_file.read_text(),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": kafka.authority.ca_file,
            "ssl.principal.mapping.rules": _PRINCIPALS,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            # The controller's own listener is on loopback and for the broker alone.
            "super.users": f"User:{ADMIN};User:ANONYMOUS",
        }
    )


@contextmanager
def secured_kafka(layout: Layout, authority: Authority) -> Iterator[SecuredKafka]:
    """Start a broker of which nothing can be had without TLS, a name and rights."""
    jars = ensure_jars()
    kafka = SecuredKafka(
        layout,
        authority,
        secrets.token_urlsafe(16),
        layout.broker_address(1),
        f"{HOST}:{free_port()}",
    )
    properties = layout.home / "server.properties"
    write_private(properties, _secured_properties(kafka, authority.issue("broker")))
    scram = f"SCRAM-SHA-512=[name={ADMIN},password={kafka.admin_password}]"
    arguments = ["format", "-t", CLUSTER_ID, "-c", str(properties), "--add-scram", scram]
    options = (*HEAP, *log_options({}))
    subprocess.run(
        java_command(jars, "kafka.tools.StorageTool", arguments, options),
        check=True,
        capture_output=True,
        timeout=60,
    )
    command = java_command(jars, "kafka.Kafka", [str(properties)], options)
    with _serving(command, layout.home / "kafka.log", lambda: _kafka_answers(kafka.as_admin)):
        yield kafka


def _kafka_answers(brokers: Brokers) -> bool:
    try:
        AdminClient({**brokers.client, "log_level": 0}).list_topics(timeout=PROBE_SECONDS)
    except KafkaException:
        return False
    return True


@dataclass(frozen=True, slots=True)
class SecuredConnect:
    """A worker of Kafka Connect that asks everyone for a certificate."""

    url: str
    security: ConnectSecurity
    secrets_file: Path


@contextmanager
def secured_connect(
    layout: Layout, authority: Authority, brokers: Brokers, database: SourceDatabase
) -> Iterator[SecuredConnect]:
    """Start Connect as a client of `brokers`, for a connector that reads `database`."""
    own, client = authority.issue("connect"), authority.issue("connect-client")
    jars = ensure_jars()
    url = f"https://{HOST}:{layout.connect_port(1)}"
    secrets_file = layout.home / "secrets" / "postgres.properties"
    secrets_file.parent.mkdir()
    write_private(secrets_file, connector_secrets(database))
    worker = ConnectWorker(
        bootstrap_servers=brokers.addresses,
        listener=url,
        advertised_host=HOST,
        plugins=jars / PLUGINS,
        secrets_directory=secrets_file.parent,
        security=client_properties(brokers.security),
    )
    https = {
        # It reads no PEM here, unlike Kafka's own clients.
        "listeners.https.ssl.keystore.type": "PKCS12",
        "listeners.https.ssl.keystore.location": own.store_file,
        "listeners.https.ssl.keystore.password": STORE_PASSWORD,
        "listeners.https.ssl.key.password": STORE_PASSWORD,
        "listeners.https.ssl.truststore.type": "PKCS12",
        "listeners.https.ssl.truststore.location": authority.trust_file,
        "listeners.https.ssl.truststore.password": STORE_PASSWORD,
        "listeners.https.ssl.client.auth": "required",
    }
    properties = layout.home / "worker.properties"
    write_private(properties, worker_properties(worker) + properties_text(https))
    security = ConnectSecurity(
        ca_file=authority.ca_file,
        certificate_file=client.certificate_file,
        key_file=client.key_file,
    )
    command = java_command(
        jars,
        "org.apache.kafka.connect.cli.ConnectDistributed",
        [str(properties)],
        ("-Xmx384m", *log_options({})),
    )
    with _serving(command, layout.home / "connect.log", lambda: _connect_answers(url, security)):
        yield SecuredConnect(url, security, secrets_file)


def _connect_answers(url: str, security: ConnectSecurity) -> bool:
    try:
        with ConnectClient(url, 0.0, security=security) as client:
            client.version()
    except ConnectorError:
        return False
    return True


@contextmanager
def _serving(command: Sequence[str], log: Path, answers: Callable[[], bool]) -> Iterator[None]:
    """Run a server, from when it answers until the block ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not answers():
            assert process.poll() is None, f"it ended:\n{tail(log)}"
            assert time.monotonic() < deadline, f"it does not answer:\n{tail(log)}"
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(30)
