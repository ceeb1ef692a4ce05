"""Making the state tables anew from the events: beside the running ones, or in their place."""

from operations.rebuild.command import rebuild

__all__ = ["rebuild"]
