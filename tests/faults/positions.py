"""Where topics end, and how far a consumer group has come in them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

if TYPE_CHECKING:
    from tests.faults.site import Site

PARTITIONS = 4
_ANSWER_SECONDS = 60.0
_REQUEST_SECONDS = 20
_WATCHED_SECONDS = 1.0


def kafka(site: Site) -> AdminClient:
    """Return a client; to be held until its answers are there."""
    servers = site.stack.address("kafka_bootstrap_servers")
    return AdminClient({"bootstrap.servers": servers, "log_level": 0})


def ends(site: Site, topic: str) -> dict[int, int]:
    """Return where each partition of a topic ends now."""
    client = kafka(site)
    asked = {partition: OffsetSpec.latest() for partition in _partitions(topic)}
    answers = client.list_offsets(asked, request_timeout=_REQUEST_SECONDS)
    return {
        each.partition: answer.result(_ANSWER_SECONDS).offset for each, answer in answers.items()
    }


def committed(site: Site, group: str, topic: str) -> dict[int, int]:
    """Return what a group has committed in a topic."""
    client = kafka(site)
    asked = [ConsumerGroupTopicPartitions(group, _partitions(topic))]
    answers = client.list_consumer_group_offsets(asked, request_timeout=_REQUEST_SECONDS)
    found = answers[group].result(_ANSWER_SECONDS).topic_partitions
    return {each.partition: each.offset for each in found}


def truncate(site: Site, topic: str) -> list[int]:
    """Remove everything that a topic held a moment ago; return where each partition begins now.

    A moment: what is removed, whoever watches the topic for the evidence has read.
    """
    client = kafka(site)
    upto = [
        TopicPartition(topic, partition, end)
        for partition, end in sorted(ends(site, topic).items())
    ]
    time.sleep(_WATCHED_SECONDS)
    removed = client.delete_records(upto, operation_timeout=30)
    return [answer.result(_ANSWER_SECONDS).low_watermark for answer in removed.values()]


def _partitions(topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in range(PARTITIONS)]
