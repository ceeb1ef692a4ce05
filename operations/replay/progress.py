"""How far a replay has come, in a file: killed at any moment, it goes on from there."""

import fcntl
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from operations.failures import ProblemError
from operations.replay.selection import Page


@dataclass(slots=True)
class Progress:
    """What has been sent and where to go on; `mark` is None before anything was.

    counts: how many by event type and source; left_out: how many by reason.
    """

    selection: Mapping[str, Any]
    started_at: str
    mark: Mapping[str, Any] | None = None
    sent: int = 0
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)

    def add(self, page: Page) -> None:
        """Note a page as done."""
        self.mark = page.mark
        self.sent += len(page.chosen)
        for chosen in page.chosen:
            by_source = self.counts.setdefault(chosen.event_type, {})
            by_source[chosen.source] = by_source.get(chosen.source, 0) + 1
        for reason, count in page.left_out.items():
            self.left_out[reason] = self.left_out.get(reason, 0) + count


class ProgressFile:
    """Held while a replay runs, so that nobody else runs the same one. Raises ProblemError."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / f"{fingerprint}.json"
        self._lock = (folder / f"{fingerprint}.lock").open("a")

    def __enter__(self) -> Self:
        """Take it."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise ProblemError(
                "The same replay is already running. Wait for it, or end it; run again, this goes"
                " on where it was."
            ) from error
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Let it go; the lock's own file stays, since another may be waiting for it."""
        self._lock.close()

    def read(self) -> Progress | None:
        """Return how far the same replay came when it was broken off; None if it was not."""
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ProblemError(
                f"{self._path} is damaged: {error}. Delete it; the replay then begins anew."
            ) from error
        return Progress(**stored)

    def write(self, progress: Progress) -> None:
        """Store it, whole or not at all."""
        fresh = self._path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(asdict(progress), file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)

    def remove(self) -> None:
        """Forget it: the replay is done, or begins anew."""
        with suppress(FileNotFoundError):
            self._path.unlink()
