"""The listener of every publisher: the rules of this pipeline, with its facts in PostgreSQL.

So that all write the same ledger rows by the same rules: the agents decide, the ledger writer's own
statement posts. One transaction an event, as a listener called by a publisher does it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from schemas import codec, topics
from schemas.records import Payable
from stream_processors.agents.packages import PackagesAgent
from stream_processors.agents.sessions import SessionsAgent
from stream_processors.engine.fact_table import PendingFacts
from stream_processors.engine.messages import InboundRecord
from stream_processors.ledger.posting import post

if TYPE_CHECKING:
    import psycopg

    from stream_processors.engine.fact_table import FactPartition
    from stream_processors.engine.messages import OutboundRecord
    from stream_processors.engine.processing import Agent

_SESSIONS, _PACKAGES = SessionsAgent(), PackagesAgent()
# Keys end with an event id, so nothing that begins with the prefix is greater than this.
_KNOWN = "SELECT key, value FROM facts WHERE key >= %s AND key < %s ORDER BY key"
_ADD = "INSERT INTO facts VALUES (%s, %s) ON CONFLICT DO NOTHING"


@dataclass(frozen=True, slots=True)
class Event:
    """A row of the report's outbox."""

    id: str
    aggregate_id: str
    event_type: str
    payload: str


@dataclass(frozen=True, slots=True)
class _FactsInDatabase:
    """What PendingFacts asks of a partition of a state table."""

    connection: psycopg.Connection[Any]
    table: bytes

    def rows_of(self, subject: bytes) -> dict[bytes, bytes]:
        begin = self.table + subject
        found = self.connection.execute(_KNOWN, [begin, begin + b"\xff"]).fetchall()
        return {key[len(self.table) :]: value for key, value in found}

    def handle(self, agent: Agent, record: InboundRecord) -> list[OutboundRecord]:
        """Let an agent decide on a record, and keep what it adds."""
        pending = PendingFacts(cast("FactPartition", self))
        outputs = list(agent.handle(record, pending))
        for key, value in pending.added.items():
            self.connection.execute(_ADD, [self.table + key, value])
        return outputs


def bill(connection: psycopg.Connection[Any], event: Event) -> None:
    """Decide what follows from an event and post it, inside the caller's transaction.

    There is one listener at a time: two at one subject would each miss what the other adds.
    """
    record = InboundRecord(
        topic=topics.EVENTS_SESSION.name,
        partition=0,
        offset=0,
        key=event.aggregate_id.encode(),
        value=event.payload.encode(),
        headers={"id": event.id.encode(), "eventType": event.event_type.encode()},
    )
    outputs = _FactsInDatabase(connection, b"s\0").handle(_SESSIONS, record)
    for each in list(outputs):
        if each.topic == topics.PACKAGE_SESSIONS.name:
            told = InboundRecord(each.topic, 0, 0, each.key, each.value)
            outputs += _FactsInDatabase(connection, b"p\0").handle(_PACKAGES, told)
    payables = [said for said in map(_said, outputs) if isinstance(said, Payable)]
    if payables:
        posting = post(connection, payables)
        if posting.exceptions:
            raise LookupError(f"it could not be posted: {posting.exceptions}")


def _said(record: OutboundRecord) -> object:
    return codec.decode_payable(record.value) if record.topic == topics.PAYABLES.name else None
