"""Looks at the processes and at the figures of the database while somebody looks at the overview.

Nobody looks most of the time: then nothing is asked. A page never waits for a service that hangs,
since it shows the last look, and when that was.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
import psycopg
import structlog

from infra.local.status import ProcessStatus
from operations.console.figures import Figures, read_figures
from operations.console.samples import Samples, read_samples
from operations.console.services import Services
from operations.failures import UnreachableError

LOOK_SECONDS = 2.0
# As long as a page that refreshes itself asks at least twice.
_WATCHED_SECONDS = 15.0
_FRESH_SECONDS = 3 * LOOK_SECONDS
_METRICS_SECONDS = 2.0
_FIGURES_SECONDS = 3.0

Reading = tuple[Figures | None, str | None]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at one time. `samples` are by process; `figures` None with `figures_fault`."""

    at: float
    processes: Sequence[ProcessStatus]
    samples: dict[str, Samples]
    figures: Figures | None
    figures_fault: str | None


@dataclass(slots=True)
class Observer:
    """Keeps the last two looks: what grew between them is a rate."""

    services: Services
    processes: Callable[[], Sequence[ProcessStatus]]
    _looks: tuple[Look, ...] = ()
    _asked_at: float = 0.0
    _looking: threading.Lock = field(default_factory=threading.Lock)
    _database: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    _reading: Future[Reading] | None = None
    _wanted: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Look from now on whenever somebody asks."""
        threading.Thread(target=self._run, name="observer", daemon=True).start()

    def looks(self) -> tuple[Look, Look | None]:
        """Return the last look, and the one before it where that was not long ago."""
        self._asked_at = time.monotonic()
        self._wanted.set()
        if not self._is_fresh():
            with self._looking:
                if not self._is_fresh():
                    self._look_again()
        *earlier, last = self._looks
        before = earlier[0] if earlier and last.at - earlier[0].at < 2 * _FRESH_SECONDS else None
        return last, before

    def _is_fresh(self) -> bool:
        return bool(self._looks) and time.monotonic() - self._looks[-1].at < _FRESH_SECONDS

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            if time.monotonic() - self._asked_at > _WATCHED_SECONDS:
                self._wanted.clear()
                continue
            with self._looking:
                self._look_again()
            time.sleep(LOOK_SECONDS)

    def _look_again(self) -> None:
        self._looks = (*self._looks, self._look())[-2:]

    def _look(self) -> Look:
        # One that still waits for a database that hangs is not followed by others.
        if self._reading is None or self._reading.done():
            self._reading = self._database.submit(self._figures)
        processes = self.processes()
        samples = _samples(processes)
        try:
            found, fault = self._reading.result(timeout=_FIGURES_SECONDS)
        except TimeoutError:
            found, fault = None, "PostgreSQL does not answer."
        return Look(time.monotonic(), processes, samples, found, fault)

    def _figures(self) -> Reading:
        try:
            with self.services.reading() as connection:
                return read_figures(connection), None
        except (psycopg.Error, UnreachableError) as error:
            return None, " ".join(str(error).split())


def _samples(processes: Sequence[ProcessStatus]) -> dict[str, Samples]:
    """Return the metrics of each process that gives them; its health tells of the others."""
    asked = [process for process in processes if process.metrics_url and process.runs]
    if not asked:
        return {}
    with (
        httpx.Client(trust_env=False, verify=False, timeout=_METRICS_SECONDS) as client,  # noqa: S501 - loopback
        ThreadPoolExecutor(len(asked)) as pool,
    ):
        read = list(pool.map(lambda process: _read(client, process), asked))
    return {
        process.name: samples
        for process, samples in zip(asked, read, strict=True)
        if samples is not None
    }


def _read(client: httpx.Client, process: ProcessStatus) -> Samples | None:
    try:
        answer = client.get(str(process.metrics_url))
        answer.raise_for_status()
        return read_samples(answer.text, time.monotonic())
    except (httpx.HTTPError, ValueError) as error:
        _log.warning("metrics_not_read", process=process.name, error=str(error))
        return None
