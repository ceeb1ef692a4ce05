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
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient
from psycopg.conninfo import make_conninfo

from infra.local.health import read_page
from infra.local.layout import Layout, project_directory
from schemas.brokers import Brokers
from schemas.topics import EVENTS_SESSION, PAYABLES
from tests.processes import free_port
from tests.running_stack import session_port_base
from tests.servers.certificates import Authority
from tests.servers.secured_servers import (
    POSTGRES_PROGRAMS,
    secured_kafka,
    tls_postgres,
)
from tests.servers.secured_system import DATABASE, System, set_up
from tests.waiting import wait_until

PORTS_AFTER_THE_SESSIONS = 200


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
        set_up(made, closing)
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
