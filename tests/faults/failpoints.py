"""The suite's end of the failpoints: arm one in a process, and know that it was hit."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.injected.failpoint_hooks import DIRECTORY_VARIABLE, file_of
from tests.faults.injected.failpoint_places import FAILPOINTS

if TYPE_CHECKING:
    from collections.abc import Mapping

INJECTED = Path(__file__).parent / "injected"
_LOOK_SECONDS = 0.02


class NeverHitError(AssertionError):
    """No process came by a failpoint that was armed: the fault did not happen."""


@dataclass(frozen=True)
class Failpoints:
    """Failpoints of one stack; `directory` is where its processes look whether one is armed."""

    directory: Path

    def environment(self) -> dict[str, str]:
        """Return what the environment of the stack must hold besides; supervisord hands it on."""
        inherited = os.environ.get("PYTHONPATH")
        path = os.pathsep.join([str(INJECTED), *([inherited] if inherited else [])])
        return {"PYTHONPATH": path, DIRECTORY_VARIABLE: str(self.directory)}

    def arm(
        self, process: str, name: str, action: str, *, skip: int = 0, seconds: float = 0.0
    ) -> None:
        """Let a process act when it next comes by: kill, stop or sleep; once.

        `skip`: let it pass so many times before, so that another moment of the kind is hit.
        """
        known: Mapping[str, str] = {each.name: each.program for each in FAILPOINTS}
        assert name in known, f"there is no failpoint {name!r}"
        assert process.startswith(known[name]), f"{process} has no failpoint {name!r}"
        file = file_of(self.directory, process, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.with_suffix(".hit").unlink(missing_ok=True)
        # In one step: the process may look at any time.
        new = file.with_suffix(".new")
        new.write_text(json.dumps({"action": action, "skip": skip, "seconds": seconds}))
        new.rename(file)

    def was_hit(self, process: str, name: str) -> bool:
        """Whether the failpoint acted since it was armed."""
        return file_of(self.directory, process, name).with_suffix(".hit").exists()

    def wait_until_hit(self, process: str, name: str, seconds: float) -> None:
        """Return once it acted; raises NeverHitError, and disarms it, if that does not happen."""
        deadline = time.monotonic() + seconds
        while not self.was_hit(process, name):
            if time.monotonic() > deadline:
                self.disarm()
                raise NeverHitError(f"{process} never came by {name!r} in {seconds:.0f} s")
            time.sleep(_LOOK_SECONDS)

    def disarm(self) -> None:
        """Let nothing act any more."""
        for file in self.directory.glob("*/*.armed"):
            file.unlink(missing_ok=True)
