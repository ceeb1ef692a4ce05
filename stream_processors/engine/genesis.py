"""The record that a changelog begins with: what it was begun for."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

# Begins with NUL, which no fact's key does: an id is never empty.
GENESIS_KEY = b"\0genesis"


@dataclass(frozen=True, slots=True)
class Genesis:
    """Of which topic a changelog's facts are; `rebuilt_at` where a person had it made anew.

    Not `complete` while the facts are still being put into it.

    Kafka gives each topic an id when it makes it. A topic that is deleted and made again has its
    name and its offsets again, but not its id.
    """

    source_topic_id: str
    rebuilt_at: str | None = None
    complete: bool = True

    @property
    def value(self) -> bytes:
        """Return what the record holds."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def of(cls, value: bytes | None) -> Genesis | None:
        """Return what a record holds; None for the empty one that earlier releases wrote."""
        return cls(**json.loads(value)) if value else None
