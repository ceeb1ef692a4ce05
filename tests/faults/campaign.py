"""A campaign: one fault after the other, while an application writes; then the books are opened."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

import psycopg

from tests.faults.application import Application
from tests.faults.backlog import Backlog
from tests.faults.evidence import Evidence
from tests.faults.gathering import gather
from tests.faults.invariants import check
from tests.faults.kafka_evidence import KafkaReader
from tests.faults.monitor import Monitor
from tests.faults.recovery import RECOVERY_SECONDS_MAX
from tests.faults.settling import LOOK_SECONDS, Settling
from tests.faults.site import END, GROUPS, Outcome, Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.faults.hosting import Hosting
    from tests.faults.site import Fault

FAULTS_OF_A_SHORT_RUN = 17
"""At 14 s each, with the stack's start and the checks, under five minutes."""

WARM_UP_SECONDS = 2.0
BETWEEN_SECONDS = (0.2, 1.5)
RETRIES_SECONDS = 20.0  # 2 + 4 + 8, and the retrying itself
KAFKA_SECONDS = 120.0
EVIDENCE_FILE = "evidence.sqlite"


@dataclass(frozen=True, slots=True)
class Orders:
    """What a campaign is to do. It ends after so many faults and so many minutes, if given."""

    seed: int
    faults: int | None = None
    minutes: float | None = None
    events_per_second: float = 100.0


@dataclass(slots=True)
class Result:
    """What came of a campaign: the violations of each invariant, and the evidence."""

    orders: Orders
    evidence: Evidence
    violations: dict[str, list[str]]
    seconds: float
    events: int

    @property
    def holds(self) -> bool:
        """Whether nothing was violated."""
        return not any(self.violations.values())


@dataclass(frozen=True, slots=True)
class Times:
    """When a fault began, stood, was being repaired, and was over."""

    begun_at: float
    struck_at: float | None
    repair_at: float | None
    ended_at: float

    @property
    def row(self) -> tuple[float, float, float, float]:
        """As the evidence holds them: a fault that needs no preparation stands when it begins."""
        struck_at = self.begun_at if self.struck_at is None else self.struck_at
        repair_at = self.ended_at if self.repair_at is None else self.repair_at
        return (self.begun_at, struck_at, repair_at, self.ended_at)


def planned(seed: int, faults: Sequence[Fault]) -> Iterator[Fault]:
    """Yield faults without end: first one of each group, and all kinds before any comes again.

    Those that end with a rebuild do not come again: it takes as long as all events there are, and
    after an hour of load one alone would outlast dozens of the others.
    """
    random = Random(f"{seed}/faults")
    first = []
    for group in GROUPS:
        of_group = [fault for fault in faults if fault.group == group]
        first += [random.choice(of_group)] if of_group else []
    random.shuffle(first)
    yield from first
    rest = [fault for fault in faults if fault not in first]
    random.shuffle(rest)
    yield from rest
    again = [fault for fault in faults if not fault.rebuild] or faults
    while True:
        yield from random.sample(again, len(again))


@dataclass(frozen=True, slots=True)
class _EndOfRun:
    """No fault, but its backlog is to go as that of any other."""

    kind: str = END
    group: str = END
    repair: bool = False
    rebuild: bool = False

    def run(self, site: Site) -> Outcome:
        raise NotImplementedError


@dataclass(slots=True)
class Campaign:
    """Carries out orders on a stack that is up."""

    orders: Orders
    hosting: Hosting
    faults: Sequence[Fault]
    say: Callable[[str], None]
    evidence: Evidence = field(init=False)
    application: Application = field(init=False)
    backlog: Backlog = field(init=False)
    reader: KafkaReader = field(init=False)
    settling: Settling = field(init=False)
    committed: int = 0

    def __post_init__(self) -> None:
        directory, stack = self.hosting.directory, self.hosting.stack
        self.evidence = Evidence(directory / EVIDENCE_FILE)
        self.application = Application(
            stack, directory, self.orders.seed, self.orders.events_per_second
        )
        self.reader = KafkaReader(stack.address("kafka_bootstrap_servers"), self.evidence)

    def run(self) -> Result:
        """Do everything; return what was found."""
        begun_at = time.monotonic()
        self.reader.start()
        self.watched(lambda: self._write_and_fail(begun_at))
        written_seconds = time.monotonic() - begun_at
        self._read_all(self.reader, self.evidence)
        violations = check(self.evidence)
        return Result(self.orders, self.evidence, violations, written_seconds, self.committed)

    def watched(self, what: Callable[[], object]) -> None:
        """Do something while the backlog is kept and the status sampled."""
        url = self.hosting.stack.address("admin_database_url")
        self.backlog = Backlog(url, self.application.journals, self.evidence)
        monitor = Monitor(self.hosting.stack, self.backlog, self.evidence)
        self.settling = Settling(self.backlog, monitor, self.evidence, self.say)
        self.backlog.start()
        monitor.start()
        try:
            what()
        finally:
            monitor.stop()
            self.backlog.stop()

    def evidence_anew(self) -> Evidence:
        """Return all evidence, read again from what the stack holds by now.

        Of Kafka, events.user alone: of the others a fault may have removed what was read before.
        """
        anew = self.evidence.copy(("deliveries", "ledger_seen", "samples", "faults", "lanes"))
        anew.change("DELETE FROM deliveries WHERE topic = 'events.user'")
        reader = KafkaReader(self.hosting.stack.address("kafka_bootstrap_servers"), anew)
        reader.start()
        self._read_all(reader, anew)
        return anew

    def _write_and_fail(self, begun_at: float) -> None:
        self.application.start()
        try:
            time.sleep(WARM_UP_SECONDS)
            self._carry_out_faults(begun_at)
        finally:
            self.application.stop()
        self._close()
        self._wait_for_retries()
        self.committed = self.backlog.committed

    def _close(self) -> None:
        """Wait for the last backlog, and hold it to the limit of every other."""
        application = self.application
        wrote = (application.begun_at, application.ended_at)
        self.evidence.insert("lanes", [(*lane, *wrote) for lane in application.lanes])
        number = 1 + int(self.evidence.one("SELECT count(*) FROM faults"))
        times = Times(application.ended_at, None, None, application.ended_at)
        self._settle(number, _EndOfRun(), times, Outcome("what waited when nobody wrote any more"))

    def _read_all(self, reader: KafkaReader, evidence: Evidence) -> None:
        reader.finish(KAFKA_SECONDS)
        evidence.insert("strangers", [(each,) for each in self.application.strangers])
        evidence.insert("poison", [(each,) for each in self.application.poison])
        evidence.insert("failures", [(each,) for each in self.application.failures])
        url = self.hosting.stack.address("admin_database_url")
        gather(url, self.application.journals, evidence)

    def _carry_out_faults(self, begun_at: float) -> None:
        minutes, count = self.orders.minutes or 0, self.orders.faults or 0
        last_begun_at = time.monotonic()
        for number, fault in enumerate(planned(self.orders.seed, self.faults), start=1):
            if number > count and time.monotonic() - begun_at >= minutes * 60:
                break
            last_begun_at = time.monotonic()
            if not self.carry_out(number, fault):
                self.say("It does not come back to itself any more: the campaign ends here.")
                break
        names = {name for name, _ in self.application.lanes}
        self.settling.wait_for_lanes(names, last_begun_at)

    def carry_out(self, number: int, fault: Fault) -> bool:
        """Carry out one fault and wait until it is over; return whether that came."""
        random = Random(f"{self.orders.seed}/{number}/{fault.kind}")
        time.sleep(random.uniform(*BETWEEN_SECONDS))
        site = Site(
            self.hosting.stack,
            self.hosting.proxy,
            self.hosting.failpoints,
            self.application,
            random,
            lambda line: self.say(f"       {line}"),
        )
        begun_at = time.monotonic()
        outcome, error = Outcome("failed"), None
        try:
            outcome = fault.run(site)
        except Exception as failure:  # noqa: BLE001 - the next fault is to be tried all the same
            error = f"{type(failure).__name__}: {failure}"
            self.say(traceback.format_exc())
        times = Times(begun_at, site.struck_at, site.repair_at, time.monotonic())
        return self._settle(number, fault, times, outcome, error)

    def _settle(
        self, number: int, fault: Fault, times: Times, outcome: Outcome, error: str | None = None
    ) -> bool:
        recovered_at, green_at = self.settling.settle(times.ended_at)
        row = (
            *(number, fault.kind, fault.group, fault.repair, *times.row, recovered_at, green_at),
            *(outcome.detail, outcome.exempt, outcome.loud, outcome.silent, outcome.stands_still),
            *(outcome.red, error),
        )
        self.evidence.insert("faults", [row])
        self.say(_line(number, fault, outcome, times, recovered_at))
        return recovered_at is not None and green_at is not None

    def _wait_for_retries(self) -> None:
        url = self.hosting.stack.address("admin_database_url")
        deadline = time.monotonic() + RETRIES_SECONDS
        with psycopg.connect(url, autocommit=True) as admin:
            while (
                time.monotonic() < deadline
                and admin.execute(
                    "SELECT 1 FROM billing_exceptions WHERE status = 'retrying' LIMIT 1"
                ).fetchone()
            ):
                time.sleep(LOOK_SECONDS)


def _line(
    number: int, fault: Fault, outcome: Outcome, times: Times, recovered_at: float | None
) -> str:
    if recovered_at is None:
        end = "never recovered"
    else:
        recovery_seconds = recovered_at - times.ended_at
        end = f"recovered after {recovery_seconds:.1f} s"
        if recovery_seconds > RECOVERY_SECONDS_MAX and not outcome.exempt:
            end += ", too late"
    lasted_seconds = times.ended_at - times.begun_at
    return f"{number:4} {fault.kind}: {outcome.detail}; {lasted_seconds:.1f} s, {end}"
