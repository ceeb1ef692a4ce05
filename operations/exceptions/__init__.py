"""`outbox exceptions`: what could not be billed, and what a person does about it."""

from operations.exceptions.command import exceptions
from operations.exceptions.deciding import resolve
from operations.exceptions.retrying import retry_and_wait

exceptions.add_command(resolve)

__all__ = ["exceptions", "retry_and_wait"]
