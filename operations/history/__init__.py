"""`outbox history`: the chain of events of a contract, session, package or mentor."""

from operations.history.command import history

__all__ = ["history"]
