"""`outbox doctor`: looks at everything, says what is wrong, and the command that mends it."""

from operations.doctor.command import doctor

__all__ = ["doctor"]
