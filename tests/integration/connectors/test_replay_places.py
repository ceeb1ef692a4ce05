"""Where a replay takes its records from, and what of a range of a topic it sends; on a real Kafka.

No ledger writer runs here: the tests write the receipts, as it would.
"""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from operations.replay.event_pages import EventPages
from operations.replay.kafka_records import KafkaRecords
from operations.replay.selection import KAFKA, TABLE, Page, Selection
from operations.replay.topic_pages import AGAIN, NO_EVENT, TopicPages
from tests.connect_services import ConnectServices

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("running_connector")]

TOPIC = "events.session"


@pytest.fixture
def records(services: ConnectServices) -> Iterator[KafkaRecords]:
    with KafkaRecords(services.layout.brokers) as reader:
        yield reader


def delivered(services: ConnectServices, count: int = 1) -> list[Message]:
    """Insert events, wait for their records, and write their receipts."""
    messages = []
    for _ in range(count):
        message = services.delivered(services.insert())
        assert message is not None
        services.query(
            'INSERT INTO domain_event_deliveries (event_id, event_created_at, topic, partition,'
            ' "offset") SELECT id, created_at, %s, %s, %s FROM domain_events WHERE id = %s::uuid',
            message.topic(), message.partition(), message.offset(), event_id(message),
        )  # fmt: skip
        messages.append(message)
    return messages


def event_id(message: Message) -> str:
    return str(dict(message.headers())["id"].decode())


def produce(services: ConnectServices, message: Message, **changes: Any) -> Message:
    """Write a record again, changed, into the partition in which it lies."""
    done: list[Message] = []
    producer = Producer({"bootstrap.servers": services.address("kafka_bootstrap_servers")})
    fields = {"value": message.value(), "headers": message.headers(), **changes}
    producer.produce(
        TOPIC,
        key=message.key(),
        partition=message.partition(),
        on_delivery=lambda _, written: done.append(written),
        **fields,
    )
    assert producer.flush(20) == 0
    return done[0]


def end(records: KafkaRecords, partition: int) -> int:
    records._bounds.clear()
    return records.bounds(TOPIC, partition)[1]


def pages(
    services: ConnectServices, records: KafkaRecords, selection: Selection, mark: Any = None
) -> list[Page]:
    kind = EventPages if selection.topic is None else TopicPages
    records._bounds.clear()
    with services.database() as connection:
        return list(kind(connection, records, selection, mark, 2))


def sent(found: list[Page]) -> list[tuple[str, str]]:
    return [
        ((dict(chosen.record.headers)["id"] or b"").decode(), chosen.source)
        for page in found
        for chosen in page.chosen
    ]


def test_a_record_is_taken_from_kafka_byte_for_byte_with_headers_that_nobody_knows(
    services: ConnectServices, records: KafkaRecords
) -> None:
    (message,) = delivered(services)
    odd = [*message.headers(), ("odd", None), ("odd", b"\xff\x00"), ("replayed", b"by hand")]
    written = produce(services, message, value=b'{ "spaces":  1}', headers=odd)
    services.query(
        'UPDATE domain_event_deliveries SET "offset" = %s WHERE event_id = %s::uuid',
        written.offset(), event_id(message),
    )  # fmt: skip
    ((chosen,),) = [
        page.chosen for page in pages(services, records, Selection(events=[event_id(message)]))
    ]
    assert chosen.source == KAFKA
    assert chosen.record.value == b'{ "spaces":  1}'
    assert list(chosen.record.headers) == odd
    code, out, err = services.outbox("replay", "--event", event_id(message), "--output", "json")
    assert code == 0, err
    assert json.loads(out)["events"] == 1
    position = end(records, message.partition()) - 1
    ((_, copy),) = records.between(TOPIC, message.partition(), position, position + 1)
    assert (copy.key, copy.value) == (message.key(), b'{ "spaces":  1}')
    assert list(copy.headers) == [*odd[:-1], ("replayed", b"replay")]


def test_what_kafka_has_no_more_and_what_lies_elsewhere_comes_from_the_table(
    services: ConnectServices, records: KafkaRecords
) -> None:
    first, second = delivered(services, 2)
    # As where the topic was made anew: another event lies at its place.
    for offset in (second.offset(), 10_000_000):
        services.query(
            'UPDATE domain_event_deliveries SET partition = %s, "offset" = %s'
            " WHERE event_id = %s::uuid",
            second.partition(), offset, event_id(first),
        )  # fmt: skip
        found = pages(services, records, Selection(events=[event_id(first), event_id(second)]))
        assert sent(found) == [(event_id(first), TABLE), (event_id(second), KAFKA)]
        made = found[0].chosen[0].record
        assert (made.key, made.value) == (first.key(), first.value())
        assert list(made.headers) == first.headers()


def test_a_range_of_a_topic_is_sent_each_event_once_and_nothing_that_is_none(
    services: ConnectServices, records: KafkaRecords
) -> None:
    (message,) = delivered(services)
    partition, start = message.partition(), message.offset()
    produce(services, message)
    produce(services, message, headers=[("id", b"no uuid")])
    other = str(uuid.uuid4())
    produce(services, message, headers=[("id", other.encode()), ("eventType", b"odd")])
    last = produce(services, message)
    to_end = Selection(topic=TOPIC, partition=partition, from_offset=start)
    found = pages(services, records, to_end)
    assert sent(found) == [(event_id(message), KAFKA), (other, KAFKA)]
    left_out = [page.left_out for page in found]
    assert left_out == [{AGAIN: 1}, {NO_EVENT: 1}, {AGAIN: 1}]
    assert sum(page.read for page in found) == last.offset() + 1 - start
    part = Selection(topic=TOPIC, partition=partition, from_offset=start, to_offset=start + 3)
    assert sent(pages(services, records, part)) == [(event_id(message), KAFKA)]
    # Going on after the first page, it knows what that has sent, and where the range ended.
    produce(services, message, headers=[("id", str(uuid.uuid4()).encode())])
    mark = json.loads(json.dumps(found[0].mark))
    assert sent(pages(services, records, to_end, mark)) == [(other, KAFKA)]


def test_a_range_that_kafka_has_dropped_is_sent_from_the_table_and_goes_on_in_kafka(
    services: ConnectServices, records: KafkaRecords
) -> None:
    messages = delivered(services, 12)
    partition = messages[-1].partition()
    mine = [message for message in messages if message.partition() == partition]
    admin = AdminClient({"bootstrap.servers": services.address("kafka_bootstrap_servers")})
    before = TopicPartition(TOPIC, partition, mine[-1].offset())
    admin.delete_records([before])[before].result(20)
    selection = Selection(topic=TOPIC, partition=partition, from_offset=mine[0].offset())
    found = sent(pages(services, records, selection))
    assert found == [
        *((event_id(message), TABLE) for message in mine[:-1]),
        (event_id(mine[-1]), KAFKA),
    ]
    chosen = Selection(events=[event_id(message) for message in mine])
    assert sent(pages(services, records, chosen)) == found
