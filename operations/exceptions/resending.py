"""Sends the bytes of a record that could not be used to its topic again, edited if need be."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import psycopg
from confluent_kafka import KafkaError, Message, Producer
from psycopg.rows import dict_row

from operations.actions import record_actions_on_exceptions
from operations.failures import ProblemError, UnreachableError
from operations.output import SILENT
from schemas.brokers import Brokers

DELIVERY_SECONDS = 10.0

_LOCK = """
    SELECT id, reason, subject, record
    FROM billing_exceptions
    WHERE id = ANY(%s) AND status <> 'resolved'
    ORDER BY id
    FOR UPDATE
"""
_SENT_AGAIN = """
    UPDATE billing_exceptions
    SET status = 'resolved', resolution = 'sent again as ' || %(position)s
    WHERE id = %(id)s
"""


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A Kafka record as `billing_exceptions.record` keeps it.

    `cut` says where all of it stands if it was too large to be kept whole, else None.
    """

    topic: str
    position: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    cut: str | None = None


def stored_record(record: Mapping[str, Any]) -> StoredRecord:
    """Read a record from jsonb: text as it is, other bytes from base64."""
    return StoredRecord(
        topic=record["topic"],
        position=f"{record['topic']}[{record['partition']}]@{record['offset']}",
        key=_bytes(record, "key"),
        value=_bytes(record, "value"),
        headers=tuple((header["name"], _bytes(header, "value")) for header in record["headers"]),
        cut=record.get("cut"),
    )


@dataclass(frozen=True, slots=True)
class Resent:
    """The new positions of what was sent, and why the first of the others was not, if any."""

    positions: Mapping[UUID, str]
    failure: ProblemError | UnreachableError | None


def resend(
    connection: psycopg.Connection[Any],
    brokers: Brokers,
    exceptions: Sequence[UUID],
    *,
    actor: str | None,
    edited_value: bytes | None = None,
    detail: Mapping[str, Any] | None = None,
) -> Resent:
    """Send the records of exceptions to their topics again, and resolve those that were taken.

    One that was resolved meanwhile is left so, and out. Each that was sent has a row of
    operator_actions, with `detail`. Sent first: were the resolution lost, a record would be sent
    twice, which changes nothing; the other way round it could be lost. Raises ProblemError where
    one of them is not whole; then none is sent.
    """
    positions: dict[UUID, str] = {}
    failures: list[ProblemError | UnreachableError] = []
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_LOCK, [list(exceptions)]).fetchall()
        records = [stored_record(row["record"]) for row in rows]
        if edited_value is not None:
            records = [_edited(record, edited_value) for record in records]
        outcomes = send_again(brokers, records) if records else []
        for row, outcome in zip(rows, outcomes, strict=True):
            if not isinstance(outcome, str):
                failures.append(outcome)
                continue
            positions[row["id"]] = outcome
            cursor.execute(_SENT_AGAIN, {"id": row["id"], "position": outcome})
            sent = {"sent_again_as": outcome, "edited": edited_value is not None}
            record_actions_on_exceptions(
                connection,
                "exceptions.retry",
                [row],
                actor=actor,
                detail={**sent, **(detail or {})},
            )
    return Resent(positions, next(iter(failures), None))


def _edited(record: StoredRecord, value: bytes) -> StoredRecord:
    """Return a record with another value, which is whole."""
    return replace(record, value=value, cut=None)


def _bytes(fields: Mapping[str, Any], name: str) -> bytes | None:
    encoded = fields.get(f"{name}_base64")
    if encoded is not None:
        return base64.b64decode(encoded)
    text: str | None = fields.get(name)
    return None if text is None else text.encode()


def send_again(
    brokers: Brokers, records: Sequence[StoredRecord]
) -> list[str | ProblemError | UnreachableError]:
    """Send records to their topics under their own keys; return the new position of each.

    In place of a position stands why it has none: UnreachableError where Kafka did not take the
    record in time, ProblemError where it refuses it. The header `retried-from` names where a record
    lay before. Raises ProblemError where one is not whole; then none is sent.
    """
    for record in records:
        if record.cut is not None:
            raise ProblemError(
                f"Only the beginning of the record is kept here: {record.cut}. Send it again from "
                "there, or give its whole value with --edit-value."
            )
    delivered: dict[int, tuple[KafkaError | None, Message]] = {}
    producer = Producer(
        {
            **brokers.client,
            # As every producer here: else an equal key lands on another partition.
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "message.timeout.ms": int(DELIVERY_SECONDS * 1000),
        },
        logger=SILENT,
    )
    for number, record in enumerate(records):
        headers = [header for header in record.headers if header[0] != "retried-from"]
        producer.produce(
            record.topic,
            record.value,
            record.key,
            headers=[*headers, ("retried-from", record.position.encode())],
            on_delivery=lambda error, message, number=number: delivered.update(
                {number: (error, message)}
            ),
        )
    producer.flush(DELIVERY_SECONDS + 2)
    return [
        _position(brokers, record, delivered.get(number)) for number, record in enumerate(records)
    ]


def _position(
    brokers: Brokers,
    record: StoredRecord,
    delivered: tuple[KafkaError | None, Message] | None,
) -> str | ProblemError | UnreachableError:
    """Return where a record lies now, or why it does not."""
    if delivered is None:
        return _unreachable(brokers, record, "no answer")
    error, message = delivered
    if error is None:
        return f"{message.topic()}[{message.partition()}]@{message.offset()}"
    if error.code() in {KafkaError._MSG_TIMED_OUT, KafkaError._TRANSPORT}:  # noqa: SLF001
        return _unreachable(brokers, record, error.str())
    return ProblemError(
        f"Kafka refuses the record of {record.position} for {record.topic}: {error.str()}. It "
        "stays an exception."
    )


def _unreachable(brokers: Brokers, record: StoredRecord, why: str) -> UnreachableError:
    return UnreachableError(
        f"Kafka at {brokers} did not take the record of {record.position} again: {why}. "
        "It stays an exception; see `outbox status`, then retry."
    )
