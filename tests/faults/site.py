"""Where a fault acts, and what it says it did: the seam between the campaign and the catalog."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.faults.application import Application
    from tests.faults.failpoints import Failpoints
    from tests.faults.proxy import Proxy
    from tests.running_stack import RunningStack

GROUPS = (
    "application",
    "postgres",
    "link",
    "connect",
    "kafka",
    "worker",
    "ledger-writer",
    "loss",
    "prices",
    "clock",
    "input",
)
END = "end of run"
"""What the last row of the faults is called: no fault, but held to the same limit."""


@dataclass
class Site:
    """What a fault acts on; `random` is seeded for this fault."""

    stack: RunningStack
    proxy: Proxy  # between Connect and PostgreSQL
    failpoints: Failpoints
    application: Application
    random: random.Random
    log: Callable[[str], None]
    struck_at: float | None = None
    repair_at: float | None = None

    def struck(self) -> None:
        """Note that the fault stands now: what went before was the suite's own doing."""
        self.struck_at = time.monotonic()

    def repairs(self) -> None:
        """Note that the repair begins now: what stands still from here on, the repair stopped."""
        self.repair_at = time.monotonic()


@dataclass
class Outcome:
    """What a fault did.

    `detail` names the process, the failpoint, the seconds. `exempt` from I6: the whole local state
    of a worker was deleted. `loud` is what was said where when the position could not be trusted
    (I7), None for a fault that leaves it whole; `silent` is who went on all the same.
    `stands_still`: nothing that is committed after it may be delivered before its repair. `red`:
    True, the status must have been red while it lasted; None, too short or harmless for that.
    """

    detail: str
    exempt: bool = False
    loud: str | None = None
    silent: str | None = None
    stands_still: bool = False
    red: bool | None = None


class Fault(Protocol):
    """One fault: it is injected, it lasts, it ends; all in `run`.

    `kind` is stable and used in reports ("kafka: SIGKILL"). `group` is one of GROUPS. `repair`: it
    ends with a documented repair, performed as the operator would, by verbs alone. `rebuild`: in
    that repair all events there are are read again.
    """

    @property
    def kind(self) -> str:
        """Return its name."""

    @property
    def group(self) -> str:
        """Return what it is a fault of."""

    @property
    def repair(self) -> bool:
        """Return whether a person's repair belongs to it."""

    @property
    def rebuild(self) -> bool:
        """Return whether the repair reads all events again."""

    def run(self, site: Site) -> Outcome:
        """Inject the fault, let it last, end it; leave nothing behind, also when it fails."""
