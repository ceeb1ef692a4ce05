"""Keeping the outbox small: days ahead are made, old ones are archived and dropped."""

from operations.maintain.command import maintain

__all__ = ["maintain"]
