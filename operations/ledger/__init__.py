"""`outbox ledger`: what is owed, how a person corrects it, and whether it was tampered with."""

from operations.ledger.command import ledger
from operations.ledger.verify_command import verify_verb

ledger.add_command(verify_verb)

__all__ = ["ledger"]
