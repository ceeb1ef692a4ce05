"""What the demo does, step by step, and what it waits for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from operations.demo.comparison import Comparison, compare
from operations.demo.stages import Counts, Latency, PayablesWatch, counts, database_time, latencies
from operations.exceptions import retry_and_wait
from operations.failures import ProblemError
from producer_app.database import connect, create_tables
from producer_app.workload import (
    CompleteSession,
    Plan,
    SignContract,
    SignUpUser,
    Workload,
    by_session,
    expectation,
    insert_prices,
    run,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from psycopg import Connection
    from sqlalchemy import Engine

    from schemas.brokers import Brokers

_WAIT_SECONDS = 90.0
_LOOK_SECONDS = 0.2
_BURST_THREADS = 8
_WARMING_EVENTS = 200

_OPEN_FOR_PRICE = """
    SELECT id, status
    FROM billing_exceptions
    WHERE reason = 'price_missing' AND status IN ('retrying', 'failed') AND subject = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the run: what was done, how far it came, and how long each stage took.

    `name` for programs, `title` for people.
    """

    name: str
    title: str
    counts: Counts
    latencies: tuple[Latency, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything the demo has to show in the end; `contracts` are the run's contract ids.

    `started_at` is the database's time before the first event.
    """

    started_at: datetime
    contracts: tuple[str, ...]
    comparison: Comparison


@dataclass(slots=True)
class Scenario:
    """One run on a stack that is up.

    `tell` gets a line for whatever is worth one, `show_step` each finished step,
    `show_progress` (done, total) of the use cases that are being carried out.
    """

    owner: Connection[Any]
    app_database_url: str
    brokers: Brokers
    seed: int
    events_per_second: float
    tell: Callable[[str], None]
    show_progress: Callable[[int, int], None]
    show_step: Callable[[Step], None]

    def play(self) -> Outcome:
        """Run all steps. Raises ProblemError where bills do not come in time."""
        engine = connect(self.app_database_url, pool_size=_BURST_THREADS)
        try:
            create_tables(engine)
            return self._play(engine)
        finally:
            engine.dispose()

    def _play(self, engine: Engine) -> Outcome:
        plan = Workload(seed=self.seed, late_price_mentors=1, single_sessions=120).plan()
        burst_plan = Workload(
            seed=self.seed + 1, single_sessions=100, finished_packages=0, waiting_packages=0
        ).plan()
        started_at = database_time(self.owner)
        insert_prices(self.owner, (*plan.prices, *burst_plan.prices))
        self._warm_up(engine)
        self.show_step(self._steady(engine, plan))
        self.show_step(self._burst(engine, burst_plan))
        self._late_prices(plan)
        contracts = [*contracts_of(plan), *contracts_of(burst_plan)]
        bills = [
            *expectation(plan, late_prices=True).bills,
            *expectation(burst_plan).bills,
        ]
        comparison = compare(self.owner, contracts, bills)
        return Outcome(started_at, tuple(contracts), comparison)

    def _warm_up(self, engine: Engine) -> None:
        """Let Java compile the way of an event, as it has on any system that is not minutes old."""
        self.tell("A few students sign up first, so that what is measured then is warm.")
        warming = Workload(seed=self.seed + 2, single_sessions=0, students=_WARMING_EVENTS).plan()
        run(warming.only(SignUpUser), engine)

    def _steady(self, engine: Engine, plan: Plan) -> Step:
        self.tell(
            f"An application commits {plan.event_count} events at "
            f"{self.events_per_second:g}/s, each use case its own transaction: single sessions, "
            "evaluated sessions and packages of 3, 5 and 10, all interleaved."
        )
        return self._watched(
            "steady",
            "From INSERT to each stage, steady",
            plan,
            lambda: run(
                plan,
                engine,
                events_per_second=self.events_per_second,
                threads=2,
                on_progress=self.show_progress,
            ),
            bills=len(expectation(plan).bills),
        )

    def _burst(self, engine: Engine, plan: Plan) -> Step:
        self.tell("100 sessions complete at once.")
        run(plan.without(CompleteSession), engine, threads=_BURST_THREADS)
        return self._watched(
            "at_once",
            "From INSERT to each stage, 100 sessions at once",
            plan,
            lambda: run(
                plan.only(CompleteSession), engine, threads=_BURST_THREADS, lane=by_session
            ),
            bills=len(expectation(plan).bills),
        )

    def _watched(
        self,
        name: str,
        title: str,
        plan: Plan,
        act: Callable[[], object],
        *,
        bills: int,
    ) -> Step:
        contracts = contracts_of(plan)
        watch = PayablesWatch(self.brokers)
        watch.start()
        since = database_time(self.owner)
        act()
        reached = self._wait_for(title, since, contracts, bills)
        self.tell(
            f"  {reached.committed} events committed, {reached.delivered} seen in Kafka, "
            f"{reached.posted} bills in the ledger"
        )
        watch.stop()
        return Step(name, title, reached, tuple(latencies(self.owner, since, contracts, watch)))

    def _wait_for(
        self,
        title: str,
        since: datetime,
        contracts: list[str],
        bills: int,
    ) -> Counts:
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            reached = counts(self.owner, since, contracts)
            if reached.posted >= bills and reached.delivered >= reached.committed:
                return reached
            if time.monotonic() > deadline:
                raise ProblemError(
                    f"{title}: after {_WAIT_SECONDS:.0f} s {reached.posted} of {bills} bills are "
                    f"in the ledger and {reached.delivered} of {reached.committed} events in "
                    "Kafka: look at `outbox status` and `outbox exceptions list`"
                )
            time.sleep(_LOOK_SECONDS)

    def _late_prices(self, plan: Plan) -> None:
        """Give the mentor without prices theirs; what has failed by then is retried by hand."""
        subjects = [
            bill.session_id or bill.service_package_id for bill in expectation(plan).unpriced
        ]
        self.tell(
            f"{len(subjects)} bills wait for a mentor's price and nothing waits behind them: "
            "retried after 2, 4 and 8 s, then failed. The price is inserted now."
        )
        insert_prices(self.owner, plan.late_prices)
        failed = [
            exception_id
            for exception_id, status in self.owner.execute(_OPEN_FOR_PRICE, [subjects])
            if status == "failed"
        ]
        retry_and_wait(self.owner, failed)
        bills = len(expectation(plan, late_prices=True).bills)
        self._wait_for("late prices", database_time(self.owner), contracts_of(plan), bills)
        self.tell(
            f"  All {len(subjects)} are in the ledger; {len(failed)} had failed by then and were "
            "retried by hand."
        )


def contracts_of(plan: Plan) -> list[str]:
    """Return the ids of a plan's contracts; no other run has them."""
    return [action.contract_id for action in plan.actions if isinstance(action, SignContract)]
