from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from schemas import topic_creation
from schemas.brokers import Brokers
from schemas.definitions import load_events
from schemas.topic_creation import create_missing_topics, verify_topics
from schemas.topics import EVENT_TOPICS, PAYABLES, TOPICS, Scale, Topic, scaled

BROKERS = Brokers("kafka.example:9092")


@dataclass
class Answer:
    """A future of confluent-kafka's, already done."""

    outcome: Any

    def result(self) -> Any:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def kafka_error(code: int) -> KafkaException:
    return KafkaException(KafkaError(code))


NOTHING = SimpleNamespace(topics={}, brokers={})


@dataclass
class Cluster:
    """A broker in memory, behind the methods of AdminClient that the catalogue uses."""

    partitions: dict[str, int] = field(default_factory=dict)
    configurations: dict[str, dict[str, str]] = field(default_factory=dict)
    failures: dict[str, KafkaException] = field(default_factory=dict)
    replicas: dict[str, int] = field(default_factory=dict)
    brokers: dict[int, Any] = field(default_factory=dict)

    def list_topics(self, timeout: float) -> Any:  # noqa: ARG002
        if "list_topics" in self.failures:
            raise self.failures["list_topics"]
        return SimpleNamespace(
            brokers=self.brokers,
            topics={
                name: SimpleNamespace(
                    partitions=dict.fromkeys(
                        range(count), SimpleNamespace(replicas=range(self.replicas[name]))
                    )
                )
                for name, count in self.partitions.items()
            },
        )

    def create_topics(self, wanted: list[Any], operation_timeout: float) -> dict[str, Answer]:  # noqa: ARG002
        answers = {}
        for topic in wanted:
            failure = self.failures.get(topic.topic)
            if failure is None or failure.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                self.partitions[topic.topic] = topic.num_partitions
                self.configurations[topic.topic] = dict(topic.config)
                self.replicas[topic.topic] = topic.replication_factor
            answers[topic.topic] = Answer(failure)
        return answers

    def describe_configs(self, resources: list[Any], request_timeout: float) -> dict[Any, Answer]:  # noqa: ARG002
        failure = self.failures.get("describe_configs")
        return {
            resource: Answer(failure or {
                name: SimpleNamespace(value=value)
                for name, value in self.configurations[resource.name].items()
            })
            for resource in resources
        }  # fmt: skip


def create(cluster: Any, **options: Any) -> list[str]:
    return create_missing_topics(BROKERS, admin=cluster, **options)


def verify(cluster: Any, **options: Any) -> list[str]:
    return verify_topics(BROKERS, admin=cluster, **options)


def test_every_topic_is_created_as_the_catalogue_says() -> None:
    cluster = Cluster()
    assert create(cluster) == [topic.name for topic in TOPICS]
    assert verify(cluster) == []
    assert set(cluster.replicas.values()) == {1}


def test_topics_are_created_as_large_as_asked_for_and_what_has_one_partition_keeps_one() -> None:
    cluster = Cluster()
    wanted = scaled(TOPICS, Scale(partitions=12, replication_factor=3, min_insync_replicas=2))
    create(cluster, topics=wanted)
    assert set(cluster.replicas.values()) == {3}
    assert cluster.partitions["events.session"] == cluster.partitions["events.contract"] == 12
    assert cluster.partitions["events.user"] == 1
    assert {each["min.insync.replicas"] for each in cluster.configurations.values()} == {"2"}
    assert verify(cluster, topics=wanted) == []


def test_a_cluster_with_fewer_copies_than_asked_for_is_told() -> None:
    cluster = Cluster()
    create(cluster)
    wanted = scaled(TOPICS[:1], Scale(replication_factor=3, min_insync_replicas=2))
    assert verify(cluster, topics=wanted) == [
        "events.session has 1 copies of a partition, not 3",
        "events.session has min.insync.replicas=1, not 2",
    ]


def test_a_second_run_creates_nothing() -> None:
    cluster = Cluster()
    create(cluster)
    assert create(cluster) == []


def test_only_what_is_missing_is_created_and_the_rest_left_alone() -> None:
    cluster = Cluster()
    create(cluster)
    del cluster.partitions["events.user"]
    cluster.configurations["events.session"]["retention.ms"] = "5"
    assert create(cluster) == ["events.user"]
    assert cluster.configurations["events.session"]["retention.ms"] == "5"


def test_a_topic_that_another_process_creates_meanwhile_is_no_error() -> None:
    raced = Cluster(failures={"events.user": kafka_error(KafkaError.TOPIC_ALREADY_EXISTS)})
    assert "events.user" not in create(raced)
    assert len(raced.partitions) == len(TOPICS)


@dataclass
class LateCluster(Cluster):
    """Lists what was created only after so many more questions."""

    questions: int = 0
    late_by: int = 3

    def list_topics(self, timeout: float) -> Any:
        self.questions += 1
        return super().list_topics(timeout) if self.questions > self.late_by else NOTHING


def test_topics_are_created_once_the_broker_lists_them() -> None:
    cluster = LateCluster()
    assert set(create(cluster)) == {topic.name for topic in TOPICS}
    assert cluster.questions == cluster.late_by + 1


def test_topics_are_created_once_every_broker_lists_them(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(brokers={2: SimpleNamespace(host="second.example", port=9092)})
    behind = LateCluster(partitions=cluster.partitions, replicas=cluster.replicas)
    asked = {"second.example:9092": behind}
    monkeypatch.setattr(topic_creation, "connect", lambda brokers: asked[brokers.addresses])
    create(cluster)
    assert behind.questions == behind.late_by + 1


def test_a_broker_that_never_lists_what_it_created_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(topic_creation, "REQUEST_TIMEOUT_SECONDS", 0.0)
    with pytest.raises(ConnectionError, match=r"events\.session.* does not list it"):
        create(LateCluster(late_by=1_000))


def test_a_topic_that_the_broker_refuses_is_an_error_that_names_it() -> None:
    refusing = Cluster(failures={"events.user": kafka_error(KafkaError.POLICY_VIOLATION)})
    with pytest.raises(RuntimeError, match="refused to create the topic events.user") as caught:  # noqa: RUF043
        create(refusing)
    assert BROKERS.addresses in str(caught.value)


@pytest.mark.parametrize("action", [create, verify])
def test_a_broker_that_does_not_answer_is_named(action: Any) -> None:
    silent = Cluster(failures={"list_topics": kafka_error(KafkaError._TRANSPORT)})
    with pytest.raises(ConnectionError, match=f"Kafka at {BROKERS} does not answer"):
        action(silent)


def test_a_broker_that_stops_answering_midway_is_named() -> None:
    cluster = Cluster()
    create(cluster)
    cluster.failures["describe_configs"] = kafka_error(KafkaError._TIMED_OUT)
    with pytest.raises(ConnectionError, match=BROKERS.addresses):
        verify(cluster)


def test_each_difference_from_the_catalogue_is_a_sentence() -> None:
    cluster = Cluster()
    create(cluster)
    del cluster.partitions["events.user"]
    cluster.partitions["billing.payables"] = 7
    cluster.configurations["billing.payables"]["cleanup.policy"] = "delete"
    del cluster.configurations["events.session"]["retention.ms"]
    assert verify(cluster) == [
        "events.user does not exist",
        "events.session has retention.ms=None, not -1",
        "billing.payables has 7 partitions, not 4",
        "billing.payables has cleanup.policy=delete, not compact",
    ]


def test_an_empty_cluster_lacks_every_topic() -> None:
    assert verify(Cluster()) == [f"{topic.name} does not exist" for topic in TOPICS]


def test_names_are_unique_and_what_sessions_and_packages_pass_is_partitioned_alike() -> None:
    by_name = {topic.name: topic for topic in TOPICS}
    assert len(by_name) == len(TOPICS)
    together = (
        "events.session",
        "billing.package-sessions",
        "billing.payables",
        "outbox-billing-session_facts-changelog",
        "outbox-billing-package_facts-changelog",
    )
    assert {by_name[name].partitions for name in together} == {4}


def test_the_events_of_each_aggregate_have_a_topic_that_is_keyed_by_its_id() -> None:
    keys = {
        f"events.{event.aggregate_type}": event.aggregate_id for event in load_events().values()
    }
    assert keys == {topic.name: topic.key for topic in TOPICS if topic.name in EVENT_TOPICS}


def test_events_are_kept_without_limit_and_state_is_compacted() -> None:
    for topic in TOPICS:
        if topic.name.startswith("events."):
            assert (topic.cleanup_policy, topic.retention_ms) == ("delete", -1)
        if topic.name.endswith("-changelog"):
            assert topic.cleanup_policy == "compact"


def test_payables_are_compacted_not_before_a_week() -> None:
    assert PAYABLES.config == {
        "cleanup.policy": "compact",
        "retention.ms": "-1",
        "max.message.bytes": "2097152",
        "min.insync.replicas": "1",
        "min.compaction.lag.ms": "604800000",
    }


def test_a_topic_needs_no_extra_configuration() -> None:
    assert "min.compaction.lag.ms" not in Topic("t", "k", 1, "delete", 5).config
