"""Starting and stopping the local stack."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from infra.local.connect import connect_program, prepare_connect, write_connector_secrets
from infra.local.credentials import Credentials, ensure_credentials
from infra.local.errors import ProcessFailedError
from infra.local.files import tail
from infra.local.jars import ensure_jars
from infra.local.kafka import kafka_program, prepare_kafka
from infra.local.layout import Layout
from infra.local.owner import postgres_owner
from infra.local.postgres import (
    DATABASE,
    SUPERUSER,
    database_url,
    installation,
    is_answering,
    postgres_program,
    prepare_postgres,
)
from infra.local.supervision import Supervisor
from infra.local.sweep import sweep

HEALTHY_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Services:
    """What clients need to reach a running stack."""

    admin_database_url: str
    kafka_bootstrap_servers: str
    connect_url: str
    credentials: Credentials


def kafka_is_answering(bootstrap_servers: str) -> bool:
    """Whether the broker gives its metadata."""
    client = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    try:
        client.list_topics(timeout=1)
    except KafkaException:
        return False
    return True


def health_is_good(url: str) -> bool:
    """Whether a health page answers 200."""
    try:
        return httpx.get(url, timeout=2).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def wait_until(name: str, layout: Layout, is_healthy: Callable[[], bool]) -> None:
    """Wait for a process; raises ProcessFailedError with its log's tail when it takes too long."""
    deadline = time.monotonic() + HEALTHY_SECONDS
    while not is_healthy():
        if time.monotonic() > deadline:
            raise ProcessFailedError(
                f"{name} did not become healthy in {HEALTHY_SECONDS} s. Its log, "
                f"{layout.log(name)}, ends:\n{tail(layout.log(name))}"
            )
        time.sleep(0.05)


def start_services(layout: Layout) -> Services:
    """PostgreSQL, Kafka and Connect, all healthy; no schema, topics, connector or processors."""
    layout.home.mkdir(parents=True, exist_ok=True)
    credentials = ensure_credentials(layout.secrets)
    jars = ensure_jars()
    owner = postgres_owner(layout.home, installation())
    prepare_postgres(layout, owner, credentials.superuser)
    prepare_kafka(layout, jars, credentials.kafka_cluster_id)
    connector = "outbox_connector"
    write_connector_secrets(layout, DATABASE, connector, credentials.roles[connector])
    prepare_connect(layout, jars)
    supervisor = Supervisor(layout, credentials.supervisor)
    supervisor.configure(
        [
            postgres_program(layout, owner),
            kafka_program(layout, jars),
            connect_program(layout, jars),
        ]
    )
    supervisor.launch()
    for name in ("postgres", "kafka", "connect"):
        supervisor.start(name)
    admin_url = database_url(layout, SUPERUSER, credentials.superuser, "postgres")
    wait_until("postgres", layout, lambda: is_answering(admin_url))
    wait_until("kafka", layout, lambda: kafka_is_answering(layout.kafka_bootstrap_servers))
    wait_until("connect", layout, lambda: health_is_good(f"{layout.connect_url}/health"))
    return Services(
        admin_url, layout.kafka_bootstrap_servers, layout.connect_url, credentials
    )


def stop(layout: Layout) -> list[str]:
    """Stop everything of the stack, always; returns the names of what ran."""
    return sweep(layout)
