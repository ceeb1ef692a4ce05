import asyncio
from collections.abc import Iterator, Sequence

import pytest
from aiokafka.partitioner import DefaultPartitioner
from confluent_kafka import Consumer, TopicPartition

from schemas import topics as catalogue
from stream_processors.engine.messages import OutboundRecord
from stream_processors.engine.outbound import DeliveryError, Outbound
from tests.integration.kafka_topics import Topics
from tests.running_stack import RunningStack

# Of Kafka's own UtilsTest: the murmur2 of each key, made positive, modulo 4 partitions.
JAVA_PARTITIONS = {
    b"21": 0,
    b"foobar": 2,
    b"a-little-bit-long-string": 0,
    b"a-little-bit-longer-string": 3,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": 1,
    b"abc": 3,
}


@pytest.fixture
def topics(stack: RunningStack) -> Topics:
    return Topics(stack.brokers)


@pytest.fixture
def outbound(topics: Topics) -> Iterator[Outbound]:
    outbound = Outbound(topics.settings)
    yield outbound
    outbound.close()


def _deliver(outbound: Outbound, records: Sequence[OutboundRecord]) -> list[int]:
    return asyncio.run(outbound.deliver(records))


def _refused(outbound: Outbound, records: Sequence[OutboundRecord]) -> DeliveryError:
    with pytest.raises(DeliveryError) as refused:
        _deliver(outbound, records)
    return refused.value


def test_delivery_returns_the_offsets_in_the_order_of_the_records(
    outbound: Outbound, topics: Topics
) -> None:
    topic = topics.make("out", partitions=2)
    records = [
        OutboundRecord(topic, b"key", b"%d" % number, partition=number % 2) for number in range(6)
    ]

    assert _deliver(outbound, records) == [0, 0, 1, 1, 2, 2]
    assert _deliver(outbound, records[:1]) == [3]


def test_delivering_nothing_is_done_at_once(outbound: Outbound) -> None:
    assert _deliver(outbound, []) == []


def test_a_record_arrives_as_it_was_sent(outbound: Outbound, topics: Topics) -> None:
    topic = topics.make("out")
    headers = (("traceparent", b"00-1-2-01"), ("empty", b""))
    _deliver(outbound, [OutboundRecord(topic, b"\xff\0", b"\0\xfe", headers=headers)])

    [message] = topics.read(topic, 1)
    assert (message.key(), message.value()) == (b"\xff\0", b"\0\xfe")
    assert message.headers() == list(headers)


def test_keys_fall_on_the_partitions_that_java_gives_them(
    outbound: Outbound, topics: Topics
) -> None:
    topic = topics.make("out", partitions=4)
    others = [b"session-%d" % number for number in range(100)]
    keys = [*JAVA_PARTITIONS, *others, "sessión".encode()]
    _deliver(outbound, [OutboundRecord(topic, key, b"") for key in keys])

    messages = topics.read(topic, len(keys), partitions=range(4))
    found = {message.key(): message.partition() for message in messages}
    faust = DefaultPartitioner()
    assert {key: found[key] for key in JAVA_PARTITIONS} == JAVA_PARTITIONS
    assert found == {key: faust(key, [0, 1, 2, 3], [0, 1, 2, 3]) for key in keys}


def test_a_record_too_large_for_the_producer_is_itself_at_fault(
    outbound: Outbound, topics: Topics
) -> None:
    topic = topics.make("out", max_message_bytes="4194304")
    too_large = OutboundRecord(topic, b"key", b"x" * 2_200_000)

    error = _refused(outbound, [OutboundRecord(topic, b"key", b"small"), too_large])

    assert (error.index, error.record_at_fault) == (1, True)
    assert "2200000 bytes with key b'key' was not delivered" in str(error)


def test_a_record_too_large_for_its_topic_is_itself_at_fault(
    outbound: Outbound, topics: Topics
) -> None:
    topic = topics.make("out", max_message_bytes="1000")
    noise = bytes(number * number % 251 for number in range(100_000))

    error = _refused(outbound, [OutboundRecord(topic, b"key", noise)])

    assert (error.index, error.record_at_fault) == (0, True)


def test_after_a_refusal_the_producer_still_delivers(outbound: Outbound, topics: Topics) -> None:
    topic = topics.make("out")
    _refused(outbound, [OutboundRecord(topic, b"key", b"x" * 2_200_000)])

    assert _deliver(outbound, [OutboundRecord(topic, b"key", b"small")]) == [0]


def test_an_unknown_topic_or_partition_is_not_the_records_fault(
    outbound: Outbound, topics: Topics
) -> None:
    missing = OutboundRecord(topics.make("out"), b"key", b"", partition=9)

    assert _refused(outbound, [missing]).record_at_fault is False


def test_a_broker_that_cannot_be_reached_is_not_the_records_fault() -> None:
    outbound = Outbound({"bootstrap.servers": "127.0.0.1:9", "message.timeout.ms": 500})

    error = _refused(outbound, [OutboundRecord("out", b"key", b"")])
    outbound.close(0.1)

    assert error.record_at_fault is False


def test_more_than_the_queue_holds_is_delivered(outbound: Outbound, topics: Topics) -> None:
    topic = topics.make("out")
    records = [OutboundRecord(topic, b"key", b"")] * 210_000

    assert _deliver(outbound, records)[-1] == 209_999


def test_a_record_as_large_as_the_catalogue_allows_arrives(
    outbound: Outbound, topics: Topics
) -> None:
    topic = topics.make("out", max_message_bytes=catalogue.PAYABLES.config["max.message.bytes"])
    noise = bytes(number * number % 251 for number in range(2_000_000))

    assert _deliver(outbound, [OutboundRecord(topic, b"key", noise)]) == [0]


def test_a_topic_may_really_be_called_otherwise_and_no_other_one_is_written(
    topics: Topics,
) -> None:
    usual, own = topics.make("usual"), topics.make("own")
    outbound = Outbound(topics.settings, {usual: own})
    try:
        assert _deliver(outbound, [OutboundRecord(usual, b"key", b"value", partition=0)]) == [0]
        with pytest.raises(KeyError):
            _deliver(outbound, [OutboundRecord(own, b"key", b"value", partition=0)])
    finally:
        outbound.close()
    assert [message.value() for message in topics.read(own, 1)] == [b"value"]
    assert Consumer({**topics.settings, "group.id": "reader"}).get_watermark_offsets(
        TopicPartition(usual, 0), timeout=20
    ) == (0, 0)
