"""The doctor on the real PostgreSQL, Kafka and Connect: each is broken, named, and mended by the
command that the line says. The processors are not there, which is a line of its own.
"""

import json
import time
from collections.abc import Callable

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from connectors.apply import apply
from infra.local.environment import stack_environment
from operations.doctor import examination, kafka
from operations.doctor.finding import Finding, Level
from operations.settings import Settings
from schemas.topic_creation import connect
from schemas.topics import DEAD_LETTERS
from stream_processors.groups import DEAD_LETTERS_GROUP
from tests.connect_services import SLOT, ConnectServices
from tests.integration.kafka_topics import Topics

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("running_connector")]

PATIENCE_SECONDS = 60


def examined(services: ConnectServices, part: str) -> list[Finding]:
    """What the doctor says of a part; the whole of it at once would take much longer."""
    settings = Settings(**stack_environment(services.layout, services.credentials))
    if part in {"topics", "positions"}:
        cluster = kafka.look_at_cluster(settings.brokers(), settings.scale)
        check = kafka.topics if part == "topics" else kafka.positions
        return list(check(cluster))
    known = examination._look_at_connect(settings, services.layout)
    if part == "connector":
        return list(known.report.findings)
    name = services.definition.name
    url = settings.need("database_url")
    return list(examination._source(url, services.definition, known.seen.get(name)))


def wait_for(services: ConnectServices, check: str, level: Level, words: str = "") -> Finding:
    """Return the first line of a check that has a level and words, once there is one."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        lines = [line for line in examined(services, check) if line.check == check]
        for line in lines:
            if line.level is level and words in line.finding:
                return line
        assert time.monotonic() < deadline, lines
        time.sleep(0.2)


def carry_out(services: ConnectServices, line: Finding) -> None:
    """Run the first command that a line names."""
    command = str(line.remedy).split("`")[1]
    assert command.startswith("outbox "), str(line.remedy)
    code, _, err = services.outbox(*command.split()[1:])
    assert code == 0, err


def test_services_are_told_to_be_well_and_what_does_not_run_is_named(
    services: ConnectServices,
) -> None:
    for check in ("connector", "slot", "publication"):
        wait_for(services, check, Level.OK)
    code, out, err = services.outbox("doctor", "--output", "json")
    # The processors are not there.
    assert code == 1, err
    found: dict[str, list[dict[str, str]]] = {}
    for line in json.loads(out):
        found.setdefault(line["check"], []).append(line)
    for check in ("connect", "topics", "kept WAL", "rights", "guards", "migrations", "broker"):
        assert [line["level"] for line in found[check]] == ["ok"], found[check]
    assert "Kafka Connect 4." in found["connect"][0]["finding"]
    assert "Debezium's plug-in 3.7" in found["connect"][0]["finding"]

    assert {line["level"] for line in found["readers"]} == {"fault"}
    assert "nobody reads events.session" in found["readers"][0]["finding"]
    assert "`outbox up`" in found["readers"][0]["remedy"]
    absent = {line["finding"] for line in found["processes"]}
    assert {"worker-1 is stopped", "ledger-writer is stopped"} <= absent
    assert found["scheduler"][0]["finding"].startswith("it does not run")


def test_a_slot_that_was_dropped_is_a_fault_that_recover_mends(services: ConnectServices) -> None:
    services.drop_slot()
    line = wait_for(services, "slot", Level.FAULT, f"Replication slot {SLOT}")
    assert str(line.remedy) == "`outbox connectors recover`"
    carry_out(services, line)
    wait_for(services, "slot", Level.OK)


def test_a_slot_that_was_made_anew_is_a_fault_that_recover_mends(
    services: ConnectServices,
) -> None:
    services.outbox("connectors", "pause")
    services.drop_slot()
    services.insert()
    services.make_slot()
    line = wait_for(services, "slot", Level.FAULT, "made anew")
    carry_out(services, line)
    wait_for(services, "slot", Level.OK)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("DROP PUBLICATION outbox_events", "does not exist"),
        ("ALTER PUBLICATION outbox_events SET (publish = 'update')", "inserts: False"),
    ],
)
def test_a_publication_that_leaves_events_out_is_a_fault_that_recover_mends(
    services: ConnectServices, damage: str, said: str
) -> None:
    services.query(damage)
    line = wait_for(services, "publication", Level.FAULT, said)
    carry_out(services, line)
    wait_for(services, "publication", Level.OK)


def _pause(services: ConnectServices) -> None:
    assert services.outbox("connectors", "pause")[0] == 0


def _stop(services: ConnectServices) -> None:
    services.client.stop(services.definition.name)


def _delete(services: ConnectServices) -> None:
    assert services.outbox("connectors", "delete", "--yes")[0] == 0


def _change(services: ConnectServices) -> None:
    config = {**services.definition.config, "poll.interval.ms": "500"}
    services.client.put_config(services.definition.name, config)


@pytest.mark.parametrize(
    ("spoil", "level", "words"),
    [
        (_pause, Level.FAULT, "is PAUSED"),
        (_stop, Level.FAULT, "is STOPPED"),
        (_delete, Level.FAULT, "has no connector"),
    ],
)
def test_a_connector_that_does_not_run_is_started_by_the_command_named(
    services: ConnectServices, spoil: Callable[[ConnectServices], None], level: Level, words: str
) -> None:
    spoil(services)
    line = wait_for(services, "connector", level, words)
    carry_out(services, line)
    wait_for(services, "connector", Level.OK)


def test_a_connector_that_runs_otherwise_than_defined_is_named_with_the_setting(
    services: ConnectServices,
) -> None:
    _change(services)
    line = wait_for(services, "connector", Level.WARNING, "poll.interval.ms")
    assert "`outbox connectors apply`" in str(line.remedy)
    apply(services.site)
    wait_for(services, "connector", Level.OK)


def test_a_topic_with_another_setting_is_named_and_set_back(services: ConnectServices) -> None:
    admin = connect(services.layout.brokers)
    entry = ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, DEAD_LETTERS.name, incremental_configs=[entry])
    for answer in admin.incremental_alter_configs([resource]).values():
        answer.result(20)
    line = wait_for(services, "topics", Level.FAULT, f"{DEAD_LETTERS.name} has retention.ms=1000")
    assert "`outbox setup topics --set-back`" in str(line.remedy)
    assert services.outbox("setup", "topics", "--set-back")[0] == 0
    wait_for(services, "topics", Level.OK)


def test_a_topic_that_is_gone_is_named(services: ConnectServices) -> None:
    admin = connect(services.layout.brokers)
    for answer in admin.delete_topics([DEAD_LETTERS.name]).values():
        answer.result(20)
    line = wait_for(services, "topics", Level.FAULT, f"{DEAD_LETTERS.name} does not exist")
    assert "`outbox rebuild --replace`" in str(line.remedy)
    assert services.outbox("setup", "topics")[0] == 0
    wait_for(services, "topics", Level.OK)


def test_a_position_outside_its_topic_is_a_fault_and_one_that_stands_still_too(
    services: ConnectServices,
) -> None:
    topics = Topics(services.layout.brokers)
    topics.produce(DEAD_LETTERS.name, b"1", b"2", b"3")
    topics.commit(DEAD_LETTERS_GROUP, DEAD_LETTERS.name, 1)
    lagging = wait_for(
        services, "positions", Level.FAULT, f"{DEAD_LETTERS.name}[0]: the ledger writer"
    )
    assert "2 records behind, no longer moving" in lagging.finding

    topics.truncate(DEAD_LETTERS.name, 2)
    removed = wait_for(services, "positions", Level.FAULT, "the records 1 to 1 were removed")
    assert removed.remedy == "`outbox rebuild --replace`"

    topics.commit(DEAD_LETTERS_GROUP, DEAD_LETTERS.name, 50)
    assert "made anew" in wait_for(services, "positions", Level.FAULT, "committed is 50").finding
