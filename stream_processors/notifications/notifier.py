"""Records of a topic → posts of one agent. Best effort: what cannot be posted is told, and left."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import Counter

from schemas.codec import decode_event
from schemas.errors import SchemaError
from stream_processors.ledger.identity import read_receipt
from stream_processors.notifications.notification import Notification
from stream_processors.notifications.webhook import NotPostedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stream_processors.engine.messages import InboundRecord
    from stream_processors.notifications.agents import Agent
    from stream_processors.notifications.webhook import Webhook

_log = structlog.get_logger(__name__)

REMEMBERED_EVENTS = 10_000

NOTIFICATIONS = Counter(
    "outbox_notifications",
    "Events that were to be posted to a webhook, by what became of them: posted, failed, too_old, "
    "repeated or undecodable.",
    ["event_type", "status"],
)


class Notifier:
    """Posts the events of one agent that are new.

    Not those older than `age_max`: whoever replays a year of events mails nobody. And not those
    among the last REMEMBERED_EVENTS that it has posted; a process that starts anew has forgotten
    them, and its receiver can tell them by their id.
    """

    def __init__(
        self,
        agent: Agent[Any],
        webhook: Webhook,
        age_max: timedelta,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._agent = agent
        self._webhook = webhook
        self._age_max = age_max
        self._clock = clock
        self._runner = asyncio.Runner()
        # Its keys: the ids of events that are posted, or just being posted, oldest first.
        self._posted: dict[str, None] = {}
        self._failures = 0
        self._failure = ""

    @property
    def notice(self) -> str | None:
        """Return what is wrong with the receiver, while the last post failed."""
        failures = self._failures
        if not failures:
            return None
        return (
            f"{self._agent.name}: {failures} in a row were not posted, the last because "
            f"{self._failure}. Each is in the log; none is tried again"
        )

    def carry_out(self, records: Sequence[InboundRecord]) -> None:
        """Post what is to be posted of some records, all at once."""
        self._runner.run(self._all(records))

    def close(self) -> None:
        """Close its connections; nothing may be carried out after it."""
        self._runner.run(self._webhook.close())
        self._runner.close()

    async def _all(self, records: Sequence[InboundRecord]) -> None:
        event_type = self._agent.event.event_type
        ours = [r for r in records if r.headers.get("eventType") == event_type.encode()]
        await asyncio.gather(*map(self._one, ours))

    async def _one(self, record: InboundRecord) -> None:
        try:
            notification = self._read(record)
        except SchemaError as error:
            # Without its text, which quotes the payload.
            self._tell("undecodable", record, error=type(error).__name__)
            return
        except Exception as error:  # noqa: BLE001 - a fault of one agent must not hold up the others
            self._fail(f"its text could not be made ({type(error).__name__})", record)
            return
        event_id = notification.event_id
        if datetime.fromtimestamp(self._clock(), UTC) - notification.created_at > self._age_max:
            self._tell("too_old", record, event_id=event_id)
        elif event_id in self._posted:
            self._tell("repeated", record, event_id=event_id)
        else:
            await self._post(notification, record)

    def _read(self, record: InboundRecord) -> Notification:
        receipt = read_receipt(record)
        if receipt is None:
            raise SchemaError(f"{record.position} has no header id (a uuid) and createdAt")
        event = decode_event(self._agent.event.event_type, record.value)
        return Notification(
            event_id=str(receipt.event_id),
            event_type=event.event_type,
            created_at=receipt.created_at,
            payload=record.value or b"",
            text=self._agent.text(event),
        )

    async def _post(self, notification: Notification, record: InboundRecord) -> None:
        event_id = notification.event_id
        self._posted[event_id] = None
        try:
            await self._webhook.post(notification)
        except NotPostedError as error:
            del self._posted[event_id]
            self._fail(str(error), record, event_id=event_id)
        else:
            self._failures = 0
            self._tell("posted", record, event_id=event_id)
            while len(self._posted) > REMEMBERED_EVENTS:
                del self._posted[next(iter(self._posted))]

    def _fail(self, why: str, record: InboundRecord, **fields: str) -> None:
        self._failures += 1
        self._failure = why
        self._tell("failed", record, error=why, **fields)

    def _tell(self, status: str, record: InboundRecord, **fields: str) -> None:
        event_type = self._agent.event.event_type
        NOTIFICATIONS.labels(event_type, status).inc()
        level = "warning" if status in {"failed", "undecodable"} else "info"
        position = record.position
        getattr(_log, level)(
            f"notification_{status}", event_type=event_type, position=position, **fields
        )
