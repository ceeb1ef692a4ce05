"""`outbox setup` on a broker in memory, and what it refuses before it asks anybody."""

from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import KafkaError

from operations.setup import acls, command, granting
from operations.setup.acls import GRANTS, kafka_acls_command
from operations.setup.database import role_passwords
from schemas.topic_creation import create_missing_topics, verify_topics
from schemas.topics import EVENTS_SESSION, TOPICS, Scale, scaled
from stream_processors.environment import SettingsError
from tests.unit.test_topics import BROKERS, Answer, Cluster, kafka_error


class Settable(Cluster):
    """A broker whose settings can be changed."""

    def incremental_alter_configs(self, resources: Any, request_timeout: float) -> Any:  # noqa: ARG002
        for resource in resources:
            for entry in resource.incremental_configs:
                self.configurations[resource.name][entry.name] = entry.value
        return {resource: SimpleNamespace(result=lambda _: None) for resource in resources}


@pytest.fixture(autouse=True)
def _addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTBOX_KAFKA_BOOTSTRAP_SERVERS", BROKERS.addresses)


def run(monkeypatch: pytest.MonkeyPatch, cluster: Any, *arguments: str) -> Result:
    monkeypatch.setattr(command, "connect", lambda _: cluster)
    monkeypatch.setattr(granting, "connect", lambda _: cluster)
    return CliRunner().invoke(command.setup, arguments)


def test_missing_topics_are_made_and_those_there_stay_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Settable()
    create_missing_topics(BROKERS, TOPICS[1:], admin=cluster)  # type: ignore[arg-type]
    cluster.configurations[TOPICS[1].name]["retention.ms"] = "1000"
    result = run(monkeypatch, cluster, "topics")
    assert result.exit_code == 1
    assert "1 topics were created" in result.stderr
    assert f"{TOPICS[1].name} has retention.ms=1000, not -1" in result.stdout


def test_settings_are_set_back_only_where_a_person_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Settable()
    create_missing_topics(BROKERS, admin=cluster)  # type: ignore[arg-type]
    cluster.configurations[TOPICS[1].name]["retention.ms"] = "1000"
    result = run(monkeypatch, cluster, "topics", "--set-back")
    assert result.exit_code == 0, result.output
    assert verify_topics(BROKERS, admin=cluster) == []  # type: ignore[arg-type]


def test_a_number_of_partitions_stays_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Settable()
    create_missing_topics(BROKERS, admin=cluster)  # type: ignore[arg-type]
    cluster.partitions[EVENTS_SESSION.name] = 7
    result = run(monkeypatch, cluster, "topics", "--set-back")
    assert result.exit_code == 1
    assert "events.session has 7 partitions, not 4" in result.stdout
    assert cluster.partitions[EVENTS_SESSION.name] == 7


def test_a_production_cluster_gets_what_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTBOX_TOPIC_PARTITIONS", "12")
    monkeypatch.setenv("OUTBOX_TOPIC_REPLICATION_FACTOR", "3")
    monkeypatch.setenv("OUTBOX_TOPIC_MIN_INSYNC_REPLICAS", "2")
    cluster = Settable()
    assert run(monkeypatch, cluster, "topics").exit_code == 0
    wanted = scaled(TOPICS, Scale(12, 3, 2))
    assert verify_topics(BROKERS, wanted, admin=cluster) == []  # type: ignore[arg-type]


def test_more_copies_in_sync_than_copies_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OUTBOX_TOPIC_MIN_INSYNC_REPLICAS", "2")
    result = run(monkeypatch, Settable(), "topics")
    assert isinstance(result.exception, SettingsError)
    assert "OUTBOX_TOPIC_MIN_INSYNC_REPLICAS" in str(result.exception)


def test_a_role_without_a_password_is_named() -> None:
    given = {"OUTBOX_OWNER_PASSWORD": "secret", "OUTBOX_AUDITOR_PASSWORD": ""}
    with pytest.raises(SettingsError) as refused:
        role_passwords(given)
    assert "OUTBOX_OWNER_PASSWORD" not in refused.value.faults
    assert "OUTBOX_AUDITOR_PASSWORD" in refused.value.faults
    assert "OUTBOX_CONNECTOR_PASSWORD" in refused.value.faults


def test_nobody_but_the_connector_may_write_events_unless_a_person_sends_them_again() -> None:
    writers = {
        grant.role
        for grant in GRANTS
        if grant.name == EVENTS_SESSION.name and "WRITE" in grant.operations
    }
    assert writers == {"connect", "console"}


def test_no_right_is_listed_twice() -> None:
    rights = [(grant, operation) for grant in GRANTS for operation in grant.operations]
    assert len(rights) == len(set(rights))


def test_a_right_is_a_line_for_the_tool_of_kafka() -> None:
    [grant] = [each for each in GRANTS if each.name == acls.CONNECT_TOPICS]
    assert kafka_acls_command(grant, "User:connect") == (
        "kafka-acls.sh --add --allow-principal 'User:connect' "
        "--operation Read,Write,Create,DescribeConfigs --topic 'outbox-connect-' "
        "--resource-pattern-type prefixed"
    )


def test_a_principal_of_no_role_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, Settable(), "acls", "--principal", "workers=User:w")
    assert result.exit_code == 2
    assert "connect, worker, ledger-writer" in result.stderr


def test_who_may_not_give_rights_is_told_what_else_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = kafka_error(KafkaError.CLUSTER_AUTHORIZATION_FAILED)

    def refuse(bindings: Any, request_timeout: float) -> Any:  # noqa: ARG001
        return {
            each: SimpleNamespace(result=lambda _: Answer(refusal).result()) for each in bindings
        }

    result = run(monkeypatch, SimpleNamespace(create_acls=refuse), "acls", "--apply")
    assert result.exit_code == 1
    assert "`outbox setup acls --commands`" in result.stderr
