"""The client of the catalogue, and the ids of topics on a broker in memory."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from schemas.brokers import Brokers, Security
from schemas.topic_creation import connect, topic_ids
from tests.unit.test_topics import kafka_error


def test_how_the_brokers_are_reached_is_told_to_the_client() -> None:
    nowhere = Path("/nowhere/ca.pem")
    with pytest.raises(KafkaException, match=r"ca\.location"):
        connect(Brokers("127.0.0.1:9", Security(protocol="SSL", ca_file=nowhere)))


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
