"""A plug-in of supervisord: what dies is restarted without limit, and soon.

supervisord waits a second longer after each failed start, and gives up after `startretries`.
Here the wait stays short, so that a stack whose database was away for an hour is whole again
seconds after it came back.
"""

import time
from typing import Any

from supervisor import events

LONGEST_WAIT_SECONDS = 3


def _keep_short(event: Any) -> None:
    """Hold the wait before the next start, which supervisord counts in failed starts."""
    process = event.process
    if process.backoff > LONGEST_WAIT_SECONDS:
        process.backoff = LONGEST_WAIT_SECONDS
        process.delay = time.time() + LONGEST_WAIT_SECONDS


class _NoInterface:
    """supervisord expects an XML-RPC interface of every plug-in; this one has no methods."""


def make_plugin(_supervisord: Any) -> _NoInterface:
    """Subscribe; supervisord calls this as it starts, as an `rpcinterface_factory`."""
    events.subscribe(events.ProcessStateBackoffEvent, _keep_short)
    return _NoInterface()
