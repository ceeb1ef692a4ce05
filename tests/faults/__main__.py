"""`python -m tests.faults`: a campaign; exit code 0 if all invariants hold."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.campaign import FAULTS_OF_A_SHORT_RUN, Campaign, Orders
from tests.faults.catalog import faults_of
from tests.faults.hosting import WORKERS, fault_layout, fault_stack
from tests.faults.report import summary, write_report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.site import Fault

EXIT_VIOLATED = 1
EXIT_USAGE = 2
EXIT_ENDED = 128 + signal.SIGTERM


def main() -> int:
    """Run a campaign as the command line says."""
    arguments = _arguments()
    layout = fault_layout(arguments.brokers, arguments.connect_workers)
    known = faults_of(layout)
    chosen = _chosen(known, arguments.kinds)
    if not chosen:
        listed = "\n  ".join(fault.kind for fault in known)
        _say(f"No fault is called {arguments.kinds!r}. There are:\n  {listed}")
        return EXIT_USAGE
    orders = Orders(
        seed=arguments.seed,
        faults=arguments.faults if arguments.faults or arguments.minutes else FAULTS_OF_A_SHORT_RUN,
        minutes=arguments.minutes,
        events_per_second=arguments.rate,
    )
    signal.signal(signal.SIGTERM, _end)
    _say(f"seed {orders.seed}: repeat with --seed {orders.seed}")
    with fault_stack(layout, arguments.workers) as hosting:
        result = Campaign(orders, hosting, chosen, _say).run()
        sys.stdout.write(summary(result) + "\n")
        _say(f"The evidence is kept in {hosting.directory}.")
        if arguments.report:
            write_report(result, arguments.report)
    return 0 if result.holds else EXIT_VIOLATED


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--faults", type=int, help="not to end before so many")
    parser.add_argument("--minutes", type=float, help="not to end before so long")
    parser.add_argument("--rate", type=float, default=100.0, help="events a second")
    parser.add_argument("--brokers", type=int, default=1)
    parser.add_argument("--connect-workers", type=int, default=1)
    parser.add_argument("--workers", type=int, default=WORKERS, help="stream processors")
    parser.add_argument("--kinds", default="", help="only those that begin so; several by comma")
    parser.add_argument("--report", type=Path, help="a file to write a report to, as markdown")
    return parser.parse_args()


def _chosen(known: Sequence[Fault], kinds: str) -> Sequence[Fault]:
    beginnings = tuple(kind.strip() for kind in kinds.split(",") if kind.strip())
    return [fault for fault in known if not beginnings or fault.kind.startswith(beginnings)]


def _end(*_: object) -> None:
    """Leave nothing behind: all that was begun is taken down on the way out, and only once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(EXIT_ENDED)


def _say(line: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
