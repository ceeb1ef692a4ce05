"""Reconciles when a person asks for it: in a thread of the console, one at a time.

What is under way is known to this process alone. A console that dies forgets it, and nothing of it
was recorded but that somebody asked.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import click
import structlog

from operations.actions import record_action
from operations.console.periods import Period
from operations.console.services import Services
from operations.failures import ProblemError, explain
from operations.reconcile.reconciling import Examination, examine_now
from operations.reconcile.recording import ASKED, record_run
from operations.settings import Settings

Examine = Callable[[Settings, tuple[datetime | None, datetime | None]], Examination]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A reconciliation that somebody asked for. `failure`: why it came to no verdict, if so."""

    period: Period
    actor: str
    began_at: datetime
    failure: str | None = None


@dataclass(slots=True)
class Reconciler:
    """`under_way` is the one that works now; `failed` the last one, if it failed."""

    services: Services
    examine: Examine = examine_now
    under_way: Asked | None = None
    failed: Asked | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, period: Period, actor: str) -> None:
        """Begin to reconcile a period, and return at once.

        Raises ProblemError where one is under way, psycopg.Error where the act cannot be recorded.
        """
        with self._lock:
            if self.under_way is not None:
                raise ProblemError(
                    f"{self.under_way.actor} asked for a reconciliation of "
                    f"{self.under_way.period}, which is still under way: wait for it. Nothing "
                    "was begun."
                )
            with self.services.acting() as connection:
                record_action(connection, action="reconcile.run", subject=str(period), actor=actor)
            self.under_way, self.failed = Asked(period, actor, datetime.now(UTC)), None
            threading.Thread(
                target=self._run, args=[self.under_way], name="reconciler", daemon=True
            ).start()

    def _run(self, asked: Asked) -> None:
        try:
            self._reconcile(asked)
            failed = None
        except Exception as error:  # noqa: BLE001 - told on the page, where it was asked for
            _log.warning("reconciliation_failed", exc_info=error)
            explained = error if isinstance(error, click.ClickException) else explain(error)
            text = repr(error) if explained is None else explained.format_message()
            failed = Asked(asked.period, asked.actor, asked.began_at, failure=text)
        with self._lock:
            self.under_way, self.failed = None, failed

    def _reconcile(self, asked: Asked) -> None:
        window = (asked.period.since, asked.period.until)
        found = self.examine(self.services.addresses.noticing_a_dead_link(), window).found
        with self.services.acting() as connection:
            record_run(connection, ASKED, asked.actor, window, asked.began_at, found)
