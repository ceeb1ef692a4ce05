"""How a verb fails: an exit code a script can tell apart, and a message a person can act on."""

import errno

import click

PROBLEM = 1
UNREACHABLE = 3


class ProblemError(click.ClickException):
    """It found a problem: a discrepancy, a fault, something that cannot be done."""

    exit_code = PROBLEM


class UnreachableError(click.ClickException):
    """A service that it needs cannot be reached."""

    exit_code = UNREACHABLE


def explain(error: Exception) -> click.ClickException | None:
    """Return what an exception means to whoever typed the command; None for a fault of ours.

    The clients are imported here, where time no longer matters.
    """
    from infra.local.errors import StackError  # noqa: PLC0415
    from stream_processors.environment import SettingsError  # noqa: PLC0415

    if isinstance(error, SettingsError):
        return click.UsageError(str(error))
    if isinstance(error, StackError):
        failure = click.ClickException(str(error))
        failure.exit_code = error.exit_code
        return failure
    return _of_our_parts(error) or _of_a_service(error) or _of_the_system(error)


def _of_our_parts(error: Exception) -> click.ClickException | None:
    """Errors whose message says already what to do."""
    from connectors.errors import (  # noqa: PLC0415
        ConnectorError,
        ConnectUnreachableError,
        DatabaseUnreachableError,
    )
    from infra.postgres.errors import DatabaseSetupError  # noqa: PLC0415

    if isinstance(error, ConnectUnreachableError | DatabaseUnreachableError | ConnectionError):
        return UnreachableError(str(error))
    if isinstance(error, ConnectorError | DatabaseSetupError):
        return ProblemError(str(error))
    return None


def _of_a_service(error: Exception) -> click.ClickException | None:
    """Errors of the clients of PostgreSQL, Kafka and HTTP."""
    import httpx  # noqa: PLC0415
    import psycopg  # noqa: PLC0415
    from confluent_kafka import KafkaException  # noqa: PLC0415

    services = {
        psycopg.OperationalError: "PostgreSQL",
        httpx.TransportError: "An HTTP service of the stack",
        KafkaException: "Kafka",
    }
    for kind, service in services.items():
        if isinstance(error, kind):
            return UnreachableError(
                f"{service} cannot be reached or does not answer: {str(error).strip()}. "
                "`outbox status` shows what runs; `outbox up` starts it."
            )
    return None


def _of_the_system(error: Exception) -> click.ClickException | None:
    """Errors of the file system."""
    if isinstance(error, PermissionError) and error.filename:
        return ProblemError(
            f"{error.filename} cannot be used by this user: it belongs to another. Go on as the "
            "user who made it, or set OUTBOX_HOME to a folder of your own."
        )
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return ProblemError(f"The disk is full: {error}. Free some room, then try again.")
    return None
