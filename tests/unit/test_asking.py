"""What is asked once more of Kafka, and what is not."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException, TopicPartition

from schemas.asking import answered, committed, edges_of


def failing(*codes: int) -> Callable[[float], str]:
    """Return a question that fails with these errors in turn, and is answered then."""
    left = list(codes)

    def ask(_: float) -> str:
        if left:
            raise KafkaException(KafkaError(left.pop(0)))
        return "told"

    return ask


@pytest.mark.parametrize(
    "code",
    [
        KafkaError._DESTROY_BROKER,
        KafkaError._TRANSPORT,
        KafkaError._TIMED_OUT,
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.NOT_LEADER_FOR_PARTITION,
    ],
)
def test_what_a_broker_took_with_it_is_asked_again(code: int) -> None:
    assert answered(failing(code, code), sleep=lambda _: None) == "told"


def test_what_another_broker_would_refuse_too_is_not_asked_again() -> None:
    with pytest.raises(KafkaException, match="TOPIC_AUTHORIZATION_FAILED"):
        answered(failing(KafkaError.TOPIC_AUTHORIZATION_FAILED), sleep=lambda _: None)


def test_a_cluster_that_is_gone_for_long_is_told_as_it_is() -> None:
    now = [0.0]
    ask = failing(*[KafkaError._TRANSPORT] * 1_000)
    with pytest.raises(KafkaException, match="_TRANSPORT"):
        answered(ask, 30, lambda: now[0], lambda seconds: now.__setitem__(0, now[0] + seconds))
    assert 30 <= now[0] < 31


def test_one_broker_that_never_answers_leaves_time_to_ask_another() -> None:
    given = []

    def ask(seconds: float) -> str:
        given.append(seconds)
        if len(given) == 1:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return "told"

    assert answered(ask, 30, sleep=lambda _: None) == "told"
    assert given == [10, 10]
    assert answered(lambda seconds: f"{seconds:.0f}", 4) == "4"


class Told:
    """A consumer whose group has committed 7 of a partition that has 3 to 9."""

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[Any]:
        assert 3 < timeout <= 4
        return [SimpleNamespace(topic=one.topic, offset=7, error=None) for one in partitions]

    def get_watermark_offsets(self, partition: TopicPartition, timeout: float) -> tuple[int, int]:
        assert partition.topic == "events.session"
        assert 3 < timeout <= 4
        return 3, 9


def test_what_kafka_tells_is_returned() -> None:
    partition = TopicPartition("events.session", 0)
    assert [one.offset for one in committed(Told(), [partition], 4)] == [7]  # type: ignore[arg-type]
    assert edges_of(Told(), partition, 4) == (3, 9)  # type: ignore[arg-type]


def test_an_error_of_one_partition_is_no_position_that_is_absent() -> None:
    denied = SimpleNamespace(
        offset=OFFSET_INVALID, error=KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    )
    consumer = SimpleNamespace(committed=lambda partitions, timeout: [denied])  # noqa: ARG005
    with pytest.raises(KafkaException, match="TOPIC_AUTHORIZATION_FAILED"):
        committed(consumer, [TopicPartition("events.session", 0)])  # type: ignore[arg-type]
