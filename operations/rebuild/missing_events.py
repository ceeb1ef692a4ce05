"""Events of sessions that Kafka no longer has: those that the state would have to do without."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from confluent_kafka import Message
from psycopg.rows import dict_row

from operations.rebuild.cluster import Cluster
from operations.rebuild.reading import read_to_end
from operations.reconcile.positions import Offsets
from operations.replay.sending import in_commit_order
from schemas.topics import EVENTS_SESSION

_REPORT_EVERY = 1_000
_ROWS_AT_ONCE = 1_000

_IN_KAFKA = "CREATE TEMPORARY TABLE in_kafka (event_id text NOT NULL)"
# They name a place where another record lies, in a topic that was made anew. Its own place, once it
# is sent again, is the one that tells whether it was processed.
_FORGET_RECEIPTS = """
    DELETE FROM domain_event_deliveries AS receipt
    USING unnest(%(partitions)s::int[], %(begins)s::bigint[]) AS topic (partition, begins)
    WHERE receipt.topic = %(topic)s
      AND receipt.partition = topic.partition
      AND receipt."offset" >= topic.begins
      AND receipt.published_at < %(until)s
      AND NOT EXISTS (SELECT FROM in_kafka WHERE in_kafka.event_id = receipt.event_id::text)
"""
_NOT_IN_KAFKA = in_commit_order(
    """
    SELECT *
    FROM recorded_events AS recorded
    WHERE aggregate_type = 'session'
      AND NOT EXISTS (SELECT FROM in_kafka WHERE in_kafka.event_id = recorded.id::text)
    """
)

Report = Callable[[int, int], None]
"""Told how much is done of how much."""


@contextmanager
def events_not_in_kafka(
    connection: psycopg.Connection[Any], cluster: Cluster, report: Report
) -> Iterator[Iterator[dict[str, Any]]]:
    """Give the recorded events of sessions that are not in their topic, in commit order.

    Their topic is read to its end, as receipts tell where an event lay, but not whether it still
    does. Receipts of these events that name a place in it are forgotten: they prove nothing. Until
    the events are sent, and received, they are undelivered for everybody to see. The connection
    must not be in autocommit.
    """
    connection.execute(_IN_KAFKA)
    # What is received later may lie behind the end that is read to.
    now = connection.execute("SELECT clock_timestamp()").fetchone()
    begins = cluster.positions.begins([EVENTS_SESSION.name])
    ids = _ids_in_kafka(cluster, begins, report)
    with connection.cursor().copy("COPY in_kafka (event_id) FROM STDIN") as copy:
        for event_id in ids:
            copy.write_row((event_id,))
    connection.execute("ANALYZE in_kafka")
    forgotten = {
        "topic": EVENTS_SESSION.name,
        "partitions": [number for _, number in begins],
        "begins": list(begins.values()),
        "until": None if now is None else now[0],
    }
    connection.execute(_FORGET_RECEIPTS, forgotten)
    # The ledger writer must not wait for it until everything is sent.
    connection.commit()
    with connection.cursor(name="not_in_kafka", row_factory=dict_row) as events:
        events.itersize = _ROWS_AT_ONCE
        events.execute(_NOT_IN_KAFKA)
        yield iter(events)


def _ids_in_kafka(cluster: Cluster, begins: Offsets, report: Report) -> Iterator[str]:
    """Yield the event id in the headers of each record of events.session, up to its end now."""
    ends = cluster.positions.ends([EVENTS_SESSION.name])
    total = sum(end - begins[partition] for partition, end in ends.items())
    records = read_to_end(cluster.brokers, begins, ends)
    for done, message in enumerate(records, start=1):
        yield from _event_id(message)
        if done % _REPORT_EVERY == 0:
            report(done, total)


def _event_id(message: Message) -> Iterator[str]:
    """Yield the id that a record names; nothing for one that does not come from domain_events."""
    try:
        headers = dict(message.headers() or ())
        yield (headers.get("id") or b"").decode("ascii").lower()
    except (SystemError, UnicodeDecodeError):
        return
