"""Setting topics back to the catalogue, and the ids of topics, on a broker in memory."""

import runpy
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import KafkaError, KafkaException

from schemas import topic_settings
from schemas.topics import EVENTS_SESSION, TOPICS, create_missing_topics, topic_ids, verify_topics
from tests.unit.test_topics import BROKERS, Cluster, kafka_error


class Settable(Cluster):
    """A broker whose settings can be changed."""

    def incremental_alter_configs(self, resources: Any, request_timeout: float) -> Any:  # noqa: ARG002
        for resource in resources:
            for entry in resource.incremental_configs:
                self.configurations[resource.name][entry.name] = entry.value
        return {resource: SimpleNamespace(result=lambda _: None) for resource in resources}


def run(monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> Result:
    monkeypatch.setattr(topic_settings, "connect", lambda _: cluster)
    return CliRunner().invoke(topic_settings.main, ["--bootstrap-servers", BROKERS])


def test_missing_topics_are_made_and_changed_settings_set_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Settable()
    create_missing_topics(BROKERS, TOPICS[1:], admin=cluster)  # type: ignore[arg-type]
    cluster.configurations[TOPICS[1].name]["retention.ms"] = "1000"
    result = run(monkeypatch, cluster)
    assert result.exit_code == 0, result.output
    assert f"created {TOPICS[0].name}" in result.stderr
    assert verify_topics(BROKERS, admin=cluster) == []  # type: ignore[arg-type]


def test_a_number_of_partitions_stays_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Settable()
    create_missing_topics(BROKERS, admin=cluster)  # type: ignore[arg-type]
    cluster.partitions[EVENTS_SESSION.name] = 7
    result = run(monkeypatch, cluster)
    assert result.exit_code == 1
    assert "events.session has 7 partitions, not 4" in result.stdout
    assert cluster.partitions[EVENTS_SESSION.name] == 7


def test_a_broker_that_does_not_answer_is_exit_code_3(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = Settable(failures={"list_topics": kafka_error(KafkaError._ALL_BROKERS_DOWN)})
    result = run(monkeypatch, silent)
    assert result.exit_code == 3
    assert BROKERS in result.stderr


def test_it_is_a_command_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["topic_settings", "--help"])
    monkeypatch.delitem(sys.modules, "schemas.topic_settings")
    with pytest.raises(SystemExit, match="0"):
        runpy.run_module("schemas.topic_settings", run_name="__main__")


def answering(**outcomes: Any) -> Any:
    """A client whose `describe_topics` gives these outcomes by name, an exception raised."""

    def result_of(outcome: Any) -> Any:
        if isinstance(outcome, Exception):
            raise outcome
        return SimpleNamespace(topic_id=outcome)

    return SimpleNamespace(
        describe_topics=lambda _, request_timeout: {  # noqa: ARG005
            name: SimpleNamespace(result=lambda outcome=outcome: result_of(outcome))
            for name, outcome in outcomes.items()
        }
    )


def test_a_topic_that_does_not_exist_has_no_id() -> None:
    absent = kafka_error(KafkaError.UNKNOWN_TOPIC_OR_PART)
    assert topic_ids(answering(there="id-1", absent=absent), ["there", "absent"]) == {
        "there": "id-1"
    }


def test_ids_that_cannot_be_asked_for_are_an_error_and_not_absent_topics() -> None:
    with pytest.raises(KafkaException):
        topic_ids(answering(one=kafka_error(KafkaError._TIMED_OUT)), ["one"])
