"""The records that a processor reads and writes, as plain bytes."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

RecordReason = Literal["undecodable", "unknown_event_type", "unprocessable"]
"""Why a record is reported to which no rule could be applied."""
REFUSALS = frozenset(get_args(RecordReason))


@dataclass(frozen=True, slots=True)
class InboundRecord:
    """A record read from Kafka; nothing of it is checked yet."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes | None] = field(default_factory=dict)

    @property
    def position(self) -> str:
        """Where the record stands, for people: topic[partition]@offset."""
        return f"{self.topic}[{self.partition}]@{self.offset}"

    def as_json(self) -> dict[str, object]:
        """Return all of the record as jsonb can hold it; bytes that are not text are in base64."""
        return {
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            **_as_text("key", self.key),
            **_as_text("value", self.value),
            "headers": [
                {"name": name, **_as_text("value", value)} for name, value in self.headers.items()
            ],
        }


@dataclass(frozen=True, slots=True)
class OutboundRecord:
    """A record to write; `partition` None leaves the choice to murmur2 of the key.

    `counted_as`: under which kind or reason the metrics count it, if they do.
    """

    topic: str
    key: bytes
    value: bytes
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    counted_as: str | None = field(default=None, compare=False)


def _as_text(name: str, content: bytes | None) -> dict[str, object]:
    if content is None:
        return {name: None}
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(content).decode()}
    if "\0" in text:
        # PostgreSQL's jsonb cannot hold NUL.
        return {f"{name}_base64": base64.b64encode(content).decode()}
    return {name: text}
