"""How far a replay is: a bar on a terminal, else a line now and then."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from operations.output import message_console, say
from operations.replay.progress import Progress as Done

_LINE_EVERY_SECONDS = 10.0


class Bar:
    """Told by the replay; to be used as a context, so that the bar ends with it."""

    def __init__(self, *, dry_run: bool) -> None:
        self.done = 0
        self.total = 0
        self._verb = "counted" if dry_run else "sent again"
        self._on_terminal = sys.stderr.isatty()
        self._line_at = time.monotonic() + _LINE_EVERY_SECONDS
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=message_console(),
            disable=not self._on_terminal,
        )
        self._task = self._progress.add_task(f"Events {self._verb}", total=None)

    def __enter__(self) -> Self:
        """Show it."""
        self._progress.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Leave it as it is."""
        self._progress.stop()

    def going_on(self, progress: Done) -> None:
        """Say where, and how not to."""
        say(
            f"Going on after {progress.sent} events: the same replay, begun at"
            f" {progress.started_at}, was broken off there. --restart begins anew."
        )

    def begin(self, done: int, total: int) -> None:
        """Show how many there are."""
        self.done, self.total = done, total
        self._progress.update(self._task, completed=done, total=total)

    def advance(self, events: int) -> None:
        """Show how many more are done."""
        self.done += events
        self._progress.update(self._task, completed=self.done)
        if not self._on_terminal and time.monotonic() >= self._line_at:
            self._line_at = time.monotonic() + _LINE_EVERY_SECONDS
            say(f"{self.done} of {self.total} events {self._verb}")
