"""A whole plan, carried out by the application on a real, freshly migrated database."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from psycopg.errors import UniqueViolation

from producer_app.refusals import SessionUnknown, UserAlreadySignedUp
from producer_app.workload import (
    ActivateContract,
    CompleteSession,
    SignContract,
    SignUpUser,
    Workload,
    WorkloadFailed,
    by_session,
    expectation,
    insert_prices,
    run,
)

if TYPE_CHECKING:
    from psycopg import Connection
    from sqlalchemy import Engine

SMALL = Workload(seed=11, single_sessions=15, finished_packages=2, waiting_packages=1)


def completed_sessions(owner: Connection) -> dict[str, datetime]:
    rows = owner.execute(
        "SELECT aggregate_id, (payload->>'completedAt')::timestamptz FROM domain_events"
        " WHERE event_type = 'services.session.completed'"
    ).fetchall()
    return dict(rows)


def event_count(owner: Connection) -> int:
    row = owner.execute("SELECT count(*) FROM domain_events").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("threads", [1, 4])
def test_a_run_records_exactly_the_events_of_its_plan(
    engine: Engine, owner: Connection, threads: int
) -> None:
    plan = SMALL.plan()
    report = run(plan, engine, threads=threads)
    assert (report.actions, report.events) == (len(plan.actions), plan.event_count)
    assert event_count(owner) == plan.event_count
    assert completed_sessions(owner) == {
        action.session_id: action.at
        for action in plan.actions
        if isinstance(action, CompleteSession)
    }


def test_a_second_run_on_the_same_database_works(engine: Engine, owner: Connection) -> None:
    for run_id in ("first", "second"):
        plan = Workload(seed=3, run_id=run_id, single_sessions=3, finished_packages=0).plan()
        insert_prices(owner, plan.prices)
        run(plan, engine)
    assert event_count(owner) == 2 * plan.event_count


def test_a_hundred_sessions_complete_at_once(engine: Engine, owner: Connection) -> None:
    plan = Workload(
        seed=5, single_sessions=100, finished_packages=0, waiting_packages=0, students=3
    ).plan()
    run(plan.without(CompleteSession), engine, threads=4)
    assert completed_sessions(owner) == {}
    run(plan.only(CompleteSession), engine, threads=4, lane=by_session)
    assert len(completed_sessions(owner)) == 100


def test_sessions_of_one_contract_run_beside_each_other_without_a_deadlock(
    engine: Engine, owner: Connection
) -> None:
    plan = Workload(seed=2, single_sessions=30, finished_packages=3, waiting_packages=0).plan()
    opening = (SignUpUser, SignContract, ActivateContract)
    run(plan.only(*opening), engine)
    run(plan.without(*opening), engine, threads=4, lane=by_session)
    assert event_count(owner) == plan.event_count


def test_a_pace_is_kept_and_progress_is_told(engine: Engine) -> None:
    plan = Workload(seed=1, students=30).plan().only(SignUpUser)
    told: list[tuple[int, int]] = []
    started = time.monotonic()
    run(plan, engine, events_per_second=50, on_progress=lambda *step: told.append(step))
    assert time.monotonic() - started >= 29 / 50
    assert told == [(number, 30) for number in range(1, 31)]


def test_the_first_failure_stops_the_run_and_is_told(engine: Engine) -> None:
    plan = SMALL.plan().only(CompleteSession)
    told: list[tuple[int, int]] = []
    with pytest.raises(WorkloadFailed, match="CompleteSession") as failure:
        run(plan, engine, threads=2, on_progress=lambda *step: told.append(step))
    assert isinstance(failure.value.__cause__, SessionUnknown)
    assert told == []


def test_a_failure_stops_a_paced_run_before_its_end(engine: Engine) -> None:
    plan = Workload(seed=1, students=30).plan().only(SignUpUser)
    run(plan, engine)
    started = time.monotonic()
    with pytest.raises(WorkloadFailed) as failure:
        run(plan, engine, events_per_second=5)
    assert isinstance(failure.value.__cause__, UserAlreadySignedUp)
    assert time.monotonic() - started < 3


def test_prices_are_inserted_as_planned_and_all_or_none(owner: Connection) -> None:
    plan = SMALL.plan()
    assert insert_prices(owner, plan.prices) == len(plan.prices)
    with pytest.raises(UniqueViolation):
        insert_prices(owner, [*Workload(seed=1).plan().prices, plan.prices[0]])
    rows = owner.execute(
        "SELECT mentor_id, price_code, amount_minor, currency, effective_from FROM mentor_prices"
    ).fetchall()
    assert sorted(rows) == sorted(
        (p.mentor_id, p.price_code, p.amount_minor, p.currency, p.effective_from)
        for p in plan.prices
    )


def test_the_price_in_force_in_sql_is_the_expected_one(owner: Connection) -> None:
    plan = Workload(seed=9, starts_at=datetime(2026, 1, 1, tzinfo=UTC)).plan()
    insert_prices(owner, plan.prices)
    for bill in expectation(plan).bills:
        row = owner.execute(
            "SELECT amount_minor, currency FROM mentor_prices"
            " WHERE mentor_id = %s AND price_code = %s AND effective_from <= %s"
            " ORDER BY effective_from DESC LIMIT 1",
            (bill.mentor_id, bill.price_code, bill.occurred_at),
        ).fetchone()
        assert row == (bill.amount_minor, bill.currency)
