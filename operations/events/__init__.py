"""`outbox events`: events as they come, and what becomes of them."""

from operations.events.command import events

__all__ = ["events"]
