"""What is told to whom: one agent an event type, each with a webhook and a consumer group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from schemas.records import Event, UserSignup
from stream_processors.groups import NOTIFICATIONS_GROUP

if TYPE_CHECKING:
    from collections.abc import Callable

EventType = TypeVar("EventType", bound=Event)


@dataclass(frozen=True, slots=True)
class Agent(Generic[EventType]):
    """Posts each new event of one type; `text` says it in a sentence, for a chat.

    `name` is part of its settings, OUTBOX_<NAME>_WEBHOOK_…, and of its consumer group.
    """

    name: str
    event: type[EventType]
    text: Callable[[EventType], str]

    @property
    def topic(self) -> str:
        """Where its events are."""
        return f"events.{self.event.aggregate_type}"

    @property
    def group(self) -> str:
        """Return the group that says how far it has read; nobody waits for it."""
        return f"{NOTIFICATIONS_GROUP}-{self.name}"

    @property
    def setting_prefix(self) -> str:
        """Return what its settings begin with."""
        return f"OUTBOX_{self.name.upper()}_WEBHOOK_"


def _signup(event: UserSignup) -> str:
    return f"{event.user_id} signed up."


AGENTS: tuple[Agent[Any], ...] = (
    # One a line, to add another.
    Agent("signup", UserSignup, _signup),
)
