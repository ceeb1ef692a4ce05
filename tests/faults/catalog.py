"""All faults that a campaign may choose from."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults.site import Outcome

if TYPE_CHECKING:
    from tests.faults.site import Fault, Site


@dataclass(frozen=True)
class Killed:
    """One process is killed, and started again by its supervisor."""

    kind: str
    group: str
    process: str
    repair: bool = False

    def run(self, site: Site) -> Outcome:
        pid = site.stack.processes()[self.process].pid
        assert pid is not None, f"{self.process} does not run"
        os.kill(pid, signal.SIGKILL)
        return Outcome(f"SIGKILL of {self.process}, pid {pid}")


FAULTS: list[Fault] = [
    Killed("worker: SIGKILL", "worker", "worker-1"),
    Killed("ledger-writer: SIGKILL", "ledger-writer", "ledger-writer"),
    Killed("postgres: SIGKILL", "postgres", "postgres"),
]
