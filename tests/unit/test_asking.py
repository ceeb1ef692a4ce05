"""What is asked once more of Kafka, and what is not."""

from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException

from stream_processors.engine.asking import answered


def failing(*codes: int) -> Callable[[], str]:
    """Return a question that fails with these errors in turn, and is answered then."""
    left = list(codes)

    def ask() -> str:
        if left:
            raise KafkaException(KafkaError(left.pop(0)))
        return "told"

    return ask


@pytest.mark.parametrize(
    "code",
    [
        KafkaError._DESTROY_BROKER,
        KafkaError._TRANSPORT,
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
        answered(ask, lambda: now[0], lambda seconds: now.__setitem__(0, now[0] + seconds))
    assert 30 < now[0] < 31
