"""`outbox reconcile`: the ledger beside an independent statement of what should be in it."""

from operations.reconcile.command import reconcile
from operations.reconcile.reconciling import reconcile_now

__all__ = ["reconcile", "reconcile_now"]
