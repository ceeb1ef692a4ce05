"""PostgreSQL, Kafka and Connect of the local stack, without the processors: for tests that break
the way between them."""

import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import Consumer, Message

from connectors.apply import Site
from connectors.client import ConnectClient
from connectors.definition import Definition, load_definitions
from connectors.traces import causes
from infra.local.connect import secrets_file
from infra.local.credentials import Credentials, ensure_credentials
from infra.local.environment import stack_environment, write_environment
from infra.local.layout import Layout, project_directory
from infra.local.programs import CONNECT, KAFKA, POSTGRES, service_endpoints
from infra.local.shape import Shape
from infra.local.stack import prepare, take_down
from infra.local.supervision import Supervisor
from infra.postgres.migrate import ensure_slot
from tests.running_stack import run_outbox, session_port_base

PORTS_AFTER_THE_SESSIONS = 100
SLOT = "outbox_events"
FAILS_WITHIN_SECONDS = 30


@dataclass(frozen=True, slots=True)
class ConnectServices:
    """The running services, and one client of each."""

    layout: Layout
    credentials: Credentials
    client: ConnectClient
    definition: Definition
    consumer: Consumer
    seen: dict[str, Message] = field(default_factory=dict)

    @property
    def site(self) -> Site:
        """The connector, as connectors.apply takes it."""
        return Site(self.client, self.definition, self.address("database_url"), 60.0)

    def address(self, name: str) -> str:
        """One address, by its name in `outbox env`."""
        address = stack_environment(self.layout, self.credentials)[name]
        assert address is not None
        return address

    def query(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run a statement as superuser and return its rows."""
        with psycopg.connect(self.address("admin_database_url"), autocommit=True) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def database(self) -> psycopg.Connection[Any]:
        """A connection of the owner of the tables, in autocommit."""
        return psycopg.connect(self.address("database_url"), autocommit=True)

    def insert(self, session_id: str | None = None, payload: str | None = None) -> str:
        """Record an event as an application does; return its aggregate id."""
        session = session_id or f"session-{uuid.uuid4()}"
        text = payload or f'{{"sessionId": "{session}", "evaluatedAt": "2026-11-01T10:00:00Z"}}'
        with psycopg.connect(self.address("app_database_url"), autocommit=True) as connection:
            connection.execute(
                "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload)"
                " VALUES ('session', %s, 'services.session.evaluated', %s)",
                [session, text],
            )
        return session

    def delivered(self, session: str, seconds: float = 30.0) -> Message | None:
        """Wait for the record with this key in events.session; None if it does not come."""
        deadline = time.monotonic() + seconds
        while session not in self.seen and time.monotonic() < deadline:
            message = self.consumer.poll(0.1)
            if message is not None and message.error() is None:
                self.seen[message.key().decode()] = message
        return self.seen.get(session)

    def outbox(self, *arguments: str) -> tuple[int, str, str]:
        """Run the command line: exit code, standard output, standard error."""
        return run_outbox(self.layout, *arguments)

    def drop_slot(self) -> None:
        """Drop the slot, taking it from whoever reads it."""
        for _ in range(100):
            self.query(
                "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
                " WHERE slot_name = %s AND active",
                SLOT,
            )
            try:
                self.query(
                    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                    " WHERE slot_name = %s",
                    SLOT,
                )
            except psycopg.errors.ObjectInUse:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"slot {SLOT} could not be dropped")

    def make_slot(self) -> None:
        """Make the slot as the stack does."""
        ensure_slot(self.address("admin_database_url"))

    def slot_exists(self) -> bool:
        """Whether there is one."""
        query = "SELECT slot_name FROM pg_replication_slots WHERE slot_name = %s"
        return bool(self.query(query, SLOT))

    def stop(self) -> None:
        """Stop the connector, as nobody's verb: nothing is checked."""
        self.client.stop(self.definition.name)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            status = self.client.status(self.definition.name)
            if status is not None and status.state == "STOPPED" and not status.tasks:
                return
            time.sleep(0.1)
        raise AssertionError("the connector did not stop")

    def failure(self) -> str:
        """Wait until the task has failed; return its causes."""
        deadline = time.monotonic() + FAILS_WITHIN_SECONDS
        while time.monotonic() < deadline:
            status = self.client.status(self.definition.name)
            if status is not None and status.failures:
                return " / ".join(cause for trace in status.failures for cause in causes(trace))
            time.sleep(0.1)
        raise AssertionError("the task did not fail")

    @contextmanager
    def wrong_password(self) -> Iterator[None]:
        """Let the task fail, since its password is wrong; the right one is back after the block."""
        secrets = secrets_file(self.layout)
        right = secrets.read_text(encoding="utf-8")
        lines = [line for line in right.splitlines() if not line.startswith("database.password")]
        secrets.write_text("\n".join([*lines, "database.password=wrong", ""]), encoding="utf-8")
        try:
            self.client.stop(self.definition.name)
            self.client.resume(self.definition.name)
            self.failure()
            yield
        finally:
            secrets.write_text(right, encoding="utf-8")

    def invalidate(self) -> None:
        """Stop the connector, and let the server remove the log that its slot needs."""
        self.stop()
        self.query("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
        self.query("SELECT pg_reload_conf()")
        try:
            for _ in range(4):
                self.query("SELECT pg_logical_emit_message(false, 'fill', repeat('x', 1000))")
                self.query("SELECT pg_switch_wal()")
            self.query("CHECKPOINT")
        finally:
            self.query("ALTER SYSTEM RESET max_slot_wal_keep_size")
            self.query("SELECT pg_reload_conf()")


def _layout() -> Layout:
    base = session_port_base() + PORTS_AFTER_THE_SESSIONS
    return Layout(Path(project_directory()) / f".outbox-test-connect-{base}", base)


def _report(stage: str) -> None:
    sys.stderr.write(f"{stage}\n")


def _start(layout: Layout, credentials: Credentials) -> None:
    supervisor = Supervisor(layout, credentials.supervisor)
    startup = prepare(layout, credentials, supervisor, Shape(), _report)
    supervisor.launch()
    services = {endpoint.name: endpoint for endpoint in service_endpoints(layout)}
    database = threading.Thread(target=startup._postgres, args=[services[POSTGRES]])
    database.start()
    startup._kafka(1, services[KAFKA])
    startup._topics()
    startup._process(services[CONNECT])
    database.join()
    write_environment(layout, credentials)


@contextmanager
def running_connect_services() -> Iterator[ConnectServices]:
    """Fresh services with database, topics and slot, and no connector yet; stopped afterwards."""
    layout = _layout()
    take_down(layout, purge=True)
    layout.home.mkdir(parents=True, exist_ok=True)
    credentials = ensure_credentials(layout.secrets)
    try:
        _start(layout, credentials)
        (definition,) = load_definitions(secrets_file(layout))
        consumer = Consumer(
            {
                "bootstrap.servers": layout.kafka_bootstrap_servers,
                "group.id": "connector-tests",
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 5,
            }
        )
        consumer.subscribe(["events.session"])
        with ConnectClient(layout.connect_url) as client:
            yield ConnectServices(layout, credentials, client, definition, consumer)
        consumer.close()
    finally:
        take_down(layout, purge=True)
