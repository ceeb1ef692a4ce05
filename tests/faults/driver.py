"""A process of the suite's application: `python -m tests.faults.driver ORDER_FILE PROCESS`.

It goes on where its predecessor was killed: what it did is in the journal, what it will do follows
from the seed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.faults.journal import COMMITTED, ROLLED_BACK, Journal, JournalReader, journal_path
from tests.faults.lane import Lane, StoppedError, armed
from tests.faults.workload import LONG_LANE, transactions

LATE_SECONDS_MAX = 30.0
LONG_LANE_SHARE = 0.02
"""Of the events; a long lane is slow anyway."""

EXIT_BROKEN = 70  # EX_SOFTWARE of sysexits.h


@dataclass(frozen=True, slots=True)
class Order:
    """What the processes of an application are to do; a file that they read at their start."""

    seed: int
    url: str
    journals: str
    switches: str  # a folder; a file `kill-PROCESS` there names the moment of a process's death
    events_per_second: float
    processes: int
    short_lanes: int  # in each process

    def write(self, path: Path) -> None:
        """Leave it for the processes."""
        path.write_text(json.dumps(asdict(self)))
        path.chmod(0o600)

    def lanes(self, process: int) -> list[tuple[str, float]]:
        """Return the lanes of a process, each with its events a second."""
        share = self.events_per_second / self.processes
        short = [
            (f"short{process}{number}", share * (1 - LONG_LANE_SHARE) / self.short_lanes)
            for number in range(self.short_lanes)
        ]
        return [*short, (f"{LONG_LANE}{process}", share * LONG_LANE_SHARE)]


def kill_switch(order: Order, process: int) -> Path:
    """Return the file that names the moment at which a process is to die."""
    return Path(order.switches) / f"kill-{process}"


def drive(order: Order, process: int, name: str, rate: float, stopping: threading.Event) -> None:
    """Carry out one lane's plan, epoch after epoch, until `stopping`."""
    directory = Path(order.journals)
    epoch = max(
        (int(path.suffixes[-2][1:]) for path in directory.glob(f"{name}.*.jsonl")), default=0
    )
    moment = armed(kill_switch(order, process))
    due = time.monotonic()
    with contextlib.suppress(StoppedError):
        while not stopping.is_set():
            path = journal_path(directory, name, epoch)
            lane = Lane(name, order.url, Journal(path, name), stopping.wait, moment)
            done = _take_up(lane, path)
            for number, transaction in enumerate(transactions(order.seed, name, epoch)):
                if number < done:
                    continue
                due = max(due, time.monotonic() - LATE_SECONDS_MAX)
                if stopping.wait(max(0.0, due - time.monotonic())):
                    break
                lane.carry_out(number, transaction)
                due += len(transaction.events) / rate
            lane.close()
            lane.journal.close()
            epoch += 1


def drive_or_end(
    order: Order, process: int, name: str, rate: float, stopping: threading.Event
) -> None:
    """Carry out one lane's plan; whatever goes wrong ends the process, and is not a silent lane."""
    try:
        drive(order, process, name, rate, stopping)
    except BaseException:  # noqa: BLE001 - nothing after it may be left out
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(EXIT_BROKEN)


def _take_up(lane: Lane, path: Path) -> int:
    """Read what an earlier process noted; return the number of the first transaction to do."""
    reader = JournalReader(path, lane.name)
    done = 0
    for attempt in reader.settled():
        if attempt.outcome == COMMITTED:
            lane.labels |= {event.label: event.id for event in attempt.events if event.label}
        if attempt.outcome in {COMMITTED, ROLLED_BACK}:
            done = attempt.number + 1
    lane.journal.attempts = reader.attempts
    left_open = [attempt.number for attempt in reader.open_attempts.values()]
    if lane.settle_unknown(reader):
        done = left_open[-1] + 1
    return done


def main() -> None:
    """Run all lanes of one process until SIGTERM."""
    order = Order(**json.loads(Path(sys.argv[1]).read_text()))
    process = int(sys.argv[2])
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    lanes = [
        threading.Thread(
            target=drive_or_end, args=(order, process, name, rate, stopping), name=name
        )
        for name, rate in order.lanes(process)
    ]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        while lane.is_alive():
            lane.join(0.5)


if __name__ == "__main__":
    main()
