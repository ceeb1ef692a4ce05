"""What processors on trial say, brought into tables of our own connection."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psycopg
from confluent_kafka import Message

from operations.rebuild.comparing import make_room, note_payables, note_reports
from operations.rebuild.reading import read_to_end
from operations.rebuild.trial import Trial
from schemas import codec
from schemas.records import ExceptionReport
from schemas.topics import DEAD_LETTERS, PAYABLES

if TYPE_CHECKING:
    from operations.reconcile.positions import Offsets


class Listener:
    """Takes in what was said since it was asked last."""

    def __init__(self, connection: psycopg.Connection[Any], processors: Trial) -> None:
        self._connection = connection
        self._processors = processors
        self._heard: dict[str, Offsets] = {}
        make_room(connection)

    def listen(self) -> None:
        """Take in what the topics hold now."""
        payables = self._new(PAYABLES.name)
        note_payables(
            self._connection,
            (codec.decode_payable(message.value() or b"") for message in payables),
        )
        reports = self._new(DEAD_LETTERS.name)
        note_reports(
            self._connection,
            (codec.decode(message.value() or b"", ExceptionReport) for message in reports),
        )

    def _new(self, usual_name: str) -> Iterator[Message]:
        cluster, name = self._processors.cluster, self._processors.topics[usual_name].name
        begins = self._heard.get(name) or cluster.positions.begins([name])
        ends = cluster.positions.ends([name])
        yield from read_to_end(cluster.brokers, begins, ends)
        self._heard[name] = ends
