"""What is posted: an event, with the headers that let its receiver trust it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from schemas.rfc3339 import format_time

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Notification:
    """An event to tell of: `payload` is its JSON text, as it was recorded; `text` for people."""

    event_id: str
    event_type: str
    created_at: datetime
    payload: bytes
    text: str

    def body(self) -> bytes:
        """Return what is posted, as JSON."""
        return orjson.dumps(
            {
                "id": self.event_id,
                "type": self.event_type,
                "created_at": format_time(self.created_at),
                "payload": orjson.Fragment(self.payload),
                "text": self.text,
            }
        )


def headers(event_id: str, body: bytes, timestamp: int, key: bytes | None) -> dict[str, str]:
    """Return the headers of a post, as Standard Webhooks names them; signed where there is a key.

    `timestamp` is of the try, in seconds since 1970; `event_id` is the same in each try.
    """
    identity = {"webhook-id": event_id, "webhook-timestamp": str(timestamp)}
    if key is None:
        return identity
    signed = b".".join((event_id.encode(), str(timestamp).encode(), body))
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {**identity, "webhook-signature": f"v1,{signature}"}
