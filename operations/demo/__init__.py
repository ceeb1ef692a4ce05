"""`outbox demo`: an application's sessions through the whole stack, each bill checked."""

from operations.demo.command import demo

__all__ = ["demo"]
