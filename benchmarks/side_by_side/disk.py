"""What the disk does beside a run: nobody's commit is sooner than an fsync."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Self

from benchmarks.side_by_side.quantiles import Quantiles

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_PAGE = b"\0" * 8192
# Often enough to meet a stall of a tenth of a second, and seldom enough to cause none.
_EVERY_SECONDS = 0.05


def sync_page(file: int) -> None:
    """Write a page and have it on disk."""
    os.pwrite(file, _PAGE, 0)
    os.fdatasync(file)


class DiskWatch:
    """While it is entered, has a page on disk 20 times a second, where a directory lies."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._milliseconds: list[float] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="disk-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def fsync(self) -> Quantiles:
        """Return what a page took, once it is left."""
        return Quantiles.of(self._milliseconds)

    def _watch(self) -> None:
        with tempfile.TemporaryFile(dir=self._directory) as file:
            while not self._stopping.wait(_EVERY_SECONDS):
                begun_at = time.perf_counter()
                sync_page(file.fileno())
                self._milliseconds.append((time.perf_counter() - begun_at) * 1000)
