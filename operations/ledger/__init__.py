"""`outbox ledger`: what is owed, how a person corrects it, and whether it was tampered with."""

from operations.ledger.command import ledger

__all__ = ["ledger"]
