"""Bad input in the middle of everything: records that are none, events that are too large."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from confluent_kafka import Message, Producer

from tests.faults.acting import Act
from tests.faults.site import Outcome
from tests.faults.stories import Event, session_event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.faults.site import Site

POISON_KEY = "poison-"
"""How the key of every record begins that was never an event."""

_FLUSH_SECONDS = 60.0
_TOO_LARGE = 1_000_000
_NEARLY_TOO_LARGE = 850_000
_HUGE = 1_900_000
_BILLING_TOPICS = ("billing.payables", "billing.package-sessions", "billing.dead-letters")


def _poison(site: Site) -> Outcome:
    """One of each, to partitions that the seed chooses."""
    records = [*_records(site), *((topic, b"not Avro", {}) for topic in _BILLING_TOPICS)]
    site.random.shuffle(records)
    producer = Producer(
        {
            "bootstrap.servers": site.stack.address("kafka_bootstrap_servers"),
            "message.max.bytes": 2 * 1024 * 1024,
            # What is sent again after a lost answer lies there once, where the report says.
            "enable.idempotence": True,
        }
    )
    failures: list[str] = []

    def delivered(error: Any, message: Message) -> None:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if error is not None or topic is None or partition is None or offset is None:
            failures.append(str(error))
        else:
            site.application.expect_poison(topic, partition, offset)

    for topic, value, headers in records:
        key = f"{POISON_KEY}{site.random.getrandbits(64):016x}"
        producer.produce(topic, value, key, headers=list(headers.items()), on_delivery=delivered)
    assert producer.flush(_FLUSH_SECONDS) == 0
    assert not failures, failures
    return Outcome(f"{len(records)} poison records")


def _records(site: Site) -> list[tuple[str, bytes | None, Mapping[str, str | bytes | None]]]:
    payload = dict(site.application.completed(site.random).payload)

    def headers(event_type: str = "services.session.completed") -> dict[str, str | bytes | None]:
        event_id = str(uuid.UUID(int=site.random.getrandbits(128), version=4))
        site.application.expect_stranger(event_id)
        created = "2026-03-01T12:00:00.000000Z"
        return {"id": event_id, "eventType": event_type, "createdAt": created}

    good = json.dumps(payload).encode()
    values: list[tuple[bytes | None, Mapping[str, str | bytes | None]]] = [
        (good, {}),
        (good, {**headers(), "id": "no uuid"}),
        (b"not JSON", {**headers(), "createdAt": "yesterday"}),
        (good, {**headers(), "eventType": None}),
        (b"not JSON", headers()),
        (b"", headers()),
        (None, headers()),
        (b"\xff\xfe\x00", headers()),
        (b"[" * 100_000, headers()),
        (good, headers("services.session.dreamt")),
        (json.dumps({**payload, "mentorId": "nul \0"}).encode(), headers()),
        (json.dumps({**payload, "mentorId": 7}).encode(), headers()),
        (json.dumps({**payload, "completedAt": "2026-02-30T00:00:00Z"}).encode(), headers()),
        (json.dumps({"sessionId": "x" * _HUGE}).encode(), headers()),
    ]
    return [("events.session", value, given) for value, given in values]


def _too_large(site: Site) -> Outcome:
    """What is beyond the limit is refused in the application's own transaction; below, billed."""
    event = site.application.completed(site.random)
    large = _with_note(event, _TOO_LARGE)
    said = site.application.refused(large)
    assert "bytes" in said, said
    nearly = _with_note(site.application.completed(site.random), _NEARLY_TOO_LARGE)
    site.application.commit([nearly], [f"session/{nearly.aggregate_id}"])
    return Outcome(f"an event of {_TOO_LARGE} bytes refused, one of {_NEARLY_TOO_LARGE} committed")


def _with_note(event: Event, length: int) -> Event:
    return session_event("completed", {**event.payload, "note": "x" * length})


def _refused(site: Site) -> Outcome:
    """Events that break their schema are refused one by one."""
    event = site.application.completed(site.random)
    payload = dict(event.payload)
    broken = (
        session_event("completed", {**payload, "mentorId": ""}),
        session_event("completed", {**payload, "completedAt": "yesterday"}),
        session_event("completed", {**payload, "servicePackageId": "without its code"}),
        session_event("dreamt", payload),
        Event("session", "another id", event.event_type, payload),
    )
    for each in broken:
        site.application.refused(each)
    return Outcome(f"{len(broken)} events that break their schema refused")


FAULTS = (
    Act("input: poison records", "input", _poison),
    Act("input: beyond the size limit", "input", _too_large),
    Act("input: events that break their schema", "input", _refused),
)
