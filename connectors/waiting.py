"""Wait until Connect has brought a connector into a state, or say why it did not."""

import time
from collections.abc import Callable

from connectors.client import ConnectClient, ConnectorStatus
from connectors.errors import ConnectorFailedError, ConnectorTimeoutError, ConnectUnreachableError
from connectors.traces import causes

_POLL_SECONDS = 0.2

Reached = Callable[[ConnectorStatus | None], bool]


def wait_until(
    client: ConnectClient,
    name: str,
    goal: str,
    reached: Reached,
    timeout_seconds: float,
    *,
    failure_ends: bool = False,
) -> None:
    """Look at the status (None: there is no such connector) until it is as wished.

    goal completes "was not ...". failure_ends: a failed task will not get there by itself. Connect
    may be away for a while meanwhile. Raises ConnectorFailedError, ConnectorTimeoutError,
    ConnectUnreachableError.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        late = time.monotonic() >= deadline
        try:
            status = client.status(name)
        except ConnectUnreachableError:
            if late:
                raise
        else:
            if reached(status):
                return
            if failure_ends and status is not None and status.failures:
                raise ConnectorFailedError(_failure(name, status))
            if late:
                raise ConnectorTimeoutError(_timeout(name, goal, status, timeout_seconds))
        time.sleep(_POLL_SECONDS)


def _failure(name: str, status: ConnectorStatus) -> str:
    reasons = "\n".join(f"  {cause}" for trace in status.failures for cause in causes(trace))
    return (
        f"Connector {name} failed:\n{reasons}\nRemove the cause, then run `outbox connectors apply`"
        " again."
    )


def _timeout(name: str, goal: str, status: ConnectorStatus | None, seconds: float) -> str:
    if status is None:
        seen = "Connect has no such connector"
    else:
        tasks = ", ".join(f"task {task.number} {task.state}" for task in status.tasks) or "no task"
        seen = f"connector {status.state}, {tasks}"
    return (
        f"Connector {name} was not {goal} after {seconds:g} s ({seen}). Connect's log says what it"
        " waits for; `outbox connectors status` shows the slot."
    )
