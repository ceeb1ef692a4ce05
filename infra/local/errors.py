class StackError(Exception):
    """The local stack cannot do what was asked; the message says what to do next.

    ``exit_code`` is the command line's: 1 found a problem, 3 a service cannot be reached.
    """

    exit_code = 1


class PortTakenError(StackError):
    """A port that the stack needs is held by a process that is not ours."""


class DiskFullError(StackError):
    """Too little room where the stack keeps its data."""


class DownloadError(StackError):
    """A jar could not be had from the Maven repository."""

    exit_code = 3


class ChecksumError(StackError):
    """A downloaded jar is not the one that jars.lock names."""


class ProcessFailedError(StackError):
    """A process of the stack did not become healthy; the message ends with its log's tail."""

    exit_code = 3


class BusyError(StackError):
    """Another `outbox up` or `outbox down` is at work on the same OUTBOX_HOME."""
