"""Looking at one service again and again, and saying so while that cannot be done."""

import threading
import time
from collections.abc import Callable, Mapping

import structlog

LOOK_SECONDS = 2.0
# A look that meets a restart or a lock fails; what is away for longer than these is told.
BLIND_SECONDS = 6.0
# What waits for longer is a backlog. On its way an event takes less than a second.
BACKLOG_SECONDS = 10.0

_SILENCE = "it does not answer"

Faults = Mapping[str, str]

_log = structlog.get_logger(__name__)


class Watch:
    """Looks every two seconds, in a thread of its own: no watch waits for another's service.

    `look` returns what is wrong, by name. While it fails or does not come back, that is a fault
    under the name of the service, beside those of the last look that succeeded.
    """

    def __init__(self, service: str, look: Callable[[], Faults]) -> None:
        self._service = service
        self._look = look
        self._found: Faults = {}
        self._reason = _SILENCE
        self._succeeded_at = time.monotonic()
        self._has_seen = False

    @property
    def sees(self) -> bool:
        """Whether what its looks have found is not long ago."""
        return self._has_seen and time.monotonic() - self._succeeded_at <= BLIND_SECONDS

    def start(self, stopping: threading.Event) -> None:
        """Look from now on, until `stopping` is set."""
        threading.Thread(
            target=self._run, args=(stopping,), name=f"watch-{self._service}", daemon=True
        ).start()

    def faults(self) -> Faults:
        """Return what is wrong now; asked from any thread."""
        blind_seconds = time.monotonic() - self._succeeded_at
        if blind_seconds <= BLIND_SECONDS:
            return self._found
        return {
            **self._found,
            self._service: f"{self._service} has not told for {blind_seconds:.0f} s what waits: "
            f"{self._reason}. `outbox doctor` tells more",
        }

    def look(self) -> None:
        """Look once; whatever goes wrong is kept for `faults`."""
        try:
            found = self._look()
        except Exception as error:  # noqa: BLE001 - a watch that ended would be green for ever
            reason = " ".join(str(error).split()).rstrip(".") or repr(error)
            if self._reason == _SILENCE:
                _log.warning("look_failed", service=self._service, error=reason)
            self._reason = reason
            return
        if self._reason != _SILENCE:
            _log.info("look_succeeds_again", service=self._service)
        self._tell_changes(found)
        self._found, self._succeeded_at = found, time.monotonic()
        self._reason, self._has_seen = _SILENCE, True

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            self.look()
            stopping.wait(LOOK_SECONDS)

    def _tell_changes(self, found: Faults) -> None:
        for name in found.keys() - self._found.keys():
            _log.error("backlog", stage=name, fault=found[name])
        for name in self._found.keys() - found.keys():
            _log.info("backlog_gone", stage=name)
