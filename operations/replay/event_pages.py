"""Events chosen in the database, page by page, each with its record: Kafka's own where it lies."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.resources import files
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from operations.history.chain import SUBJECT_EVENTS
from operations.replay.kafka_records import KafkaRecords, Position
from operations.replay.selection import ARCHIVE, KAFKA, TABLE, Chosen, Page, Selection
from operations.replay.sending import EVENT_COLUMNS, event_record

_FILES = files("operations.replay")
# A table of this session's own: the selection stays what it was while events come and days go.
_KEEP = "DROP TABLE IF EXISTS pg_temp.chosen; CREATE TEMP TABLE chosen AS "
_NUMBERED = "; CREATE UNIQUE INDEX ON chosen (number)"
_CHOOSE = _KEEP + SUBJECT_EVENTS + _FILES.joinpath("chosen.sql").read_text("utf-8") + _NUMBERED
_CHOOSE_BELOW = _KEEP + _FILES.joinpath("chosen_below.sql").read_text("utf-8") + _NUMBERED
_NEXT = "SELECT id, created_at FROM chosen WHERE number > %s ORDER BY number LIMIT %s"
# By an array and bounds, not by a join: those reach the indexes, and pass over the other days.
_EVENTS = sql.SQL(
    """
    SELECT {columns}, topic, partition, "offset", archived
    FROM recorded_events
    WHERE id = ANY(%(ids)s) AND created_at >= %(first)s AND created_at <= %(last)s
    """
).format(columns=sql.SQL(EVENT_COLUMNS))


class EventPages:
    """The events of a selection, from the beginning or from after a mark.

    `connection` must be in autocommit: a replay may take hours, and nothing may wait for it.
    """

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        records: KafkaRecords,
        selection: Selection,
        mark: Mapping[str, Any] | None,
        page_events: int,
    ) -> None:
        self._connection = connection
        self._records = records
        self._page_events = page_events
        said = {**asdict(selection), "events": list(selection.events) or None}
        at = mark or {"created_at": None, "id": None, "last": None}
        after = {"after_created_at": at["created_at"], "after_id": at["id"], "last": at["last"]}
        self.total, last = _choose(connection, _CHOOSE, {**said, **after})
        # What has come since is live traffic: going on, a replay does not take it up.
        self._last = at["last"] or last

    def __iter__(self) -> Iterator[Page]:
        """Yield pages in the order of created_at and id."""
        for events in _chosen(self._connection, self._page_events):
            sent = events[-1]
            mark = {
                "created_at": sent["created_at"].isoformat(),
                "id": sent["id"],
                "last": self._last,
            }
            yield Page(with_records(events, self._records), mark, {})


def events_below(
    connection: psycopg.Connection[Any],
    topic: str,
    partition: int,
    start: int,
    end: int,
    page_events: int,
) -> Iterator[list[dict[str, Any]]]:
    """Yield the events whose first delivery lay in a range of a partition, some at a time."""
    _choose(
        connection,
        _CHOOSE_BELOW,
        {"topic": topic, "partition": partition, "start": start, "end": end},
    )
    yield from _chosen(connection, page_events)


def _chosen(
    connection: psycopg.Connection[Any], page_events: int
) -> Iterator[list[dict[str, Any]]]:
    done = 0
    while True:
        keys = connection.execute(_NEXT, [done, page_events]).fetchall()
        if not keys:
            return
        done += len(keys)
        times = [created_at for _, created_at in keys]
        bounds = {"ids": [name for name, _ in keys], "first": min(times), "last": max(times)}
        with connection.cursor(row_factory=dict_row) as cursor:
            found = {row["id"]: row for row in cursor.execute(_EVENTS, bounds)}
        yield [found[str(name)] for name, _ in keys]


def with_records(events: Sequence[Mapping[str, Any]], records: KafkaRecords) -> list[Chosen]:
    """Take each event's record from Kafka if it lies at its receipt's place, else make it."""
    places = {
        str(event["id"]): Position(event["topic"], event["partition"], event["offset"])
        for event in events
        if event["topic"] is not None
    }
    lying = records.at(places.values())
    chosen = []
    for event in events:
        place = places.get(str(event["id"]))
        record = None if place is None else lying.get(place)
        # Another id lies there where the topic was made anew.
        if record is not None and dict(record.headers).get("id") == str(event["id"]).encode():
            source = KAFKA
        else:
            record, source = event_record(event), ARCHIVE if event["archived"] else TABLE
        chosen.append(Chosen(event["event_type"], source, record))
    return chosen


def _choose(
    connection: psycopg.Connection[Any], query: str, values: Mapping[str, Any]
) -> tuple[int, str | None]:
    """Choose anew; return how many events, and when the last of them was created."""
    # Bound by the client: the planner sees what is null, and several statements may be sent.
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(query.encode(), values)
    row = connection.execute("SELECT count(*), max(created_at) FROM chosen").fetchone()
    count, last = (0, None) if row is None else row
    return count, None if last is None else last.isoformat()
