"""`outbox setup`: the database, the topics and the rights of a system on servers of others."""

from operations.setup.command import setup

__all__ = ["setup"]
