"""Runs a plan through the service, as the application would: each action its own transaction."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, assert_never
from zlib import crc32

from producer_app.service import MentoringService
from producer_app.workload.actions import (
    Action,
    ActivateContract,
    CompleteSession,
    EndSession,
    EvaluateSession,
    Plan,
    Price,
    SignContract,
    SignUpUser,
    StartSession,
    by_contract,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from psycopg import Connection
    from sqlalchemy import Engine


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run did, and in how many seconds."""

    actions: int
    events: int
    seconds: float


class WorkloadFailed(Exception):  # noqa: N818  (named by what happened)
    """An action of the plan was not carried out; its cause says why."""

    def __init__(self, action: Action) -> None:
        super().__init__(
            f"The workload stopped at {action!r}, as its cause above says. What was done stays "
            "done; mend the cause and run a new plan (another run id)."
        )


def insert_prices(owner: Connection[Any], prices: Iterable[Price]) -> int:
    """Insert price rows in one transaction, as the tables' owner; return how many."""
    rows = [
        (
            price.mentor_id,
            price.price_code,
            price.amount_minor,
            price.currency,
            price.effective_from,
        )
        for price in prices
    ]
    with owner.transaction(), owner.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO public.mentor_prices"
            " (mentor_id, price_code, amount_minor, currency, effective_from)"
            " VALUES (%s, %s, %s, %s, %s)",
            rows,
        )
    return len(rows)


def run(
    plan: Plan,
    engine: Engine,
    *,
    events_per_second: float | None = None,
    threads: int = 1,
    lane: Callable[[Action], str] = by_contract,
    on_progress: Callable[[int, int], None] | None = None,
) -> RunReport:
    """Carry out the plan's actions; return when all are committed.

    `events_per_second` paces the rows of domain_events (None: as fast as it goes). Actions of one
    `lane` keep their order; lanes are spread over `threads`, so the engine's pool should hold as
    many connections. `on_progress(done, total)` is called after each action, by one thread at a
    time. Raises WorkloadFailed for an action that fails; no further one is begun then.
    """
    crew = _Crew(MentoringService(engine), len(plan.actions), on_progress)
    started = time.monotonic()
    executors = [ThreadPoolExecutor(max_workers=1) for _ in range(threads)]
    steps: list[Future[None]] = []
    try:
        for action in _paced(plan.actions, events_per_second):
            if crew.stopped.is_set():
                break
            executor = executors[crc32(lane(action).encode()) % threads]
            steps.append(executor.submit(crew.carry_out, action))
        for step in steps:
            step.result()
    finally:
        crew.stopped.set()
        for executor in executors:
            executor.shutdown()
    return RunReport(len(plan.actions), plan.event_count, time.monotonic() - started)


class _Crew:
    """What the threads of a run share."""

    def __init__(
        self, service: MentoringService, total: int, on_progress: Callable[[int, int], None] | None
    ) -> None:
        self.stopped = Event()
        self._service = service
        self._total = total
        self._on_progress = on_progress
        self._done = 0
        self._lock = Lock()

    def carry_out(self, action: Action) -> None:
        if self.stopped.is_set():
            return
        try:
            perform(self._service, action)
        except Exception as error:
            self.stopped.set()
            raise WorkloadFailed(action) from error
        with self._lock:
            self._done += 1
            if self._on_progress is not None:
                self._on_progress(self._done, self._total)


def perform(service: MentoringService, action: Action) -> None:
    """Carry out one action as one use case; raise what the use case raises."""
    match action:
        case SignUpUser():
            service.sign_up_user(action.user_id, action.at)
        case SignContract():
            service.sign_contract(action.contract_id, action.student_id, action.services, action.at)
        case ActivateContract():
            service.activate_contract(action.contract_id, action.at)
        case StartSession():
            service.start_session(action.request, action.at)
        case EndSession():
            service.end_session(action.session_id, action.at)
        case CompleteSession():
            service.complete_session(action.session_id, action.at)
        case EvaluateSession():
            service.evaluate_session(action.session_id, action.at, action.rating)
        case _:
            assert_never(action)


def _paced(actions: Iterable[Action], events_per_second: float | None) -> Iterator[Action]:
    """Yield each action when the events before it have had their time."""
    started = time.monotonic()
    events = 0
    for action in actions:
        if events_per_second is not None:
            time.sleep(max(0.0, started + events / events_per_second - time.monotonic()))
        yield action
        events += action.event_count
