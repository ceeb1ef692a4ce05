from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer_app.workload import (
    CompleteSession,
    EndSession,
    EvaluateSession,
    SignContract,
    StartSession,
    Workload,
    by_contract,
    by_session,
    expectation,
    expected_bills,
)
from producer_app.workload.generator import thirty_days_ago

if TYPE_CHECKING:
    from producer_app.workload import Action, Plan

STARTS_AT = datetime(2026, 1, 1, tzinfo=UTC)


def a_workload(seed: int = 1, run_id: str = "run", **sizes: Any) -> Workload:
    return Workload(seed=seed, run_id=run_id, starts_at=STARTS_AT, **sizes)


def prices_of(plan: Plan) -> tuple[set[str], set[str]]:
    return {p.mentor_id for p in plan.prices}, {p.mentor_id for p in plan.late_prices}


def test_the_same_seed_gives_the_same_plan() -> None:
    assert a_workload(seed=5).plan() == a_workload(seed=5).plan()


def test_another_seed_gives_another_plan() -> None:
    assert a_workload(seed=5).plan().actions != a_workload(seed=6).plan().actions


def test_two_runs_of_a_seed_share_no_id_and_owe_the_same() -> None:
    first, second = (a_workload(run_id=run_id).plan() for run_id in ("one", "two"))
    assert not set(map(by_session, first.actions)) & set(map(by_session, second.actions))
    assert not prices_of(first)[0] & prices_of(second)[0]
    assert [(b.occurred_at, b.amount_minor) for b in expected_bills(first)] == [
        (b.occurred_at, b.amount_minor) for b in expected_bills(second)
    ]


def test_a_run_id_is_new_unless_it_is_given() -> None:
    assert Workload(seed=1).run_id != Workload(seed=1).run_id


def test_a_plan_lies_in_the_past_unless_its_start_is_given() -> None:
    before = datetime.now(UTC)
    plan = Workload(seed=1, single_sessions=300).plan()
    assert plan.actions[-1].at < before
    assert thirty_days_ago().tzinfo is UTC


def test_the_contracts_of_a_plan_are_interleaved() -> None:
    lanes = [by_contract(action) for action in a_workload().plan().actions]
    changes = sum(one != other for one, other in pairwise(lanes))
    assert changes > 2 * len(set(lanes))


def test_a_plan_has_what_its_sizes_say() -> None:
    plan = a_workload(
        single_sessions=40, unevaluated_sessions=3, finished_packages=4, waiting_packages=3
    ).plan()
    expected = expectation(plan)
    kinds = Counter(bill.kind for bill in expected.bills)
    assert kinds == {"session": 37, "package": 4}
    # Two of the three wait for a session that is not held; the one between for an evaluation.
    assert [one.total_sessions - one.billable_sessions for one in expected.waiting_packages] == [
        1,
        1,
        1,
    ]
    assert len(expected.waiting_evaluations) == 4
    assert len(plan.only(SignContract).actions) >= 7
    totals = {bill.price_code for bill in expected.bills if bill.kind == "package"}
    assert totals == {"package-10", "package-3", "package-5"}


def test_some_evaluations_come_before_the_completion_and_some_are_needless() -> None:
    plan = a_workload(single_sessions=200).plan()
    required = {
        action.request.session_id
        for action in plan.actions
        if isinstance(action, StartSession) and action.request.required_evaluation
    }
    completed = {a.session_id: a.at for a in plan.actions if isinstance(a, CompleteSession)}
    evaluated = {a.session_id: a.at for a in plan.actions if isinstance(a, EvaluateSession)}
    assert any(at < completed[session_id] for session_id, at in evaluated.items())
    assert any(at > completed[session_id] for session_id, at in evaluated.items())
    assert evaluated.keys() - required


def test_a_package_finishes_out_of_the_order_its_sessions_started() -> None:
    plan = a_workload(finished_packages=6).plan()
    packages = [b for b in expected_bills(plan) if b.kind == "package"]
    started = [a.request.session_id for a in plan.actions if isinstance(a, StartSession)]
    completed = [a.session_id for a in plan.actions if isinstance(a, CompleteSession)]
    assert any(
        [s for s in started if s in bill.session_ids]
        != [s for s in completed if s in bill.session_ids]
        for bill in packages
    )


def test_one_mentor_is_paid_in_euros_and_the_others_in_dollars() -> None:
    currencies = {price.mentor_id: price.currency for price in a_workload().plan().prices}
    assert Counter(currencies.values()) == {"USD": 5, "EUR": 1}


def test_a_lone_mentor_is_paid_in_dollars() -> None:
    assert {price.currency for price in a_workload(mentors=1).plan().prices} == {"USD"}


def test_prices_change_exactly_at_a_completion() -> None:
    plan = a_workload().plan()
    completions = {a.at for a in plan.actions if isinstance(a, CompleteSession)}
    changes = {price.effective_from for price in plan.prices} - {STARTS_AT - timedelta(days=90)}
    assert changes
    assert changes <= completions


def test_a_mentor_without_sessions_has_prices_too() -> None:
    plan = a_workload(mentors=3, single_sessions=1, finished_packages=0, waiting_packages=0).plan()
    assert len(prices_of(plan)[0]) == 3


def test_late_and_missing_prices_belong_to_the_last_mentors() -> None:
    plan = a_workload(mentors=6, late_price_mentors=2, unpriced_mentors=1).plan()
    assert prices_of(plan) == (
        {f"run-mentor-{number:02}" for number in (1, 2, 3)},
        {f"run-mentor-{number:02}" for number in (4, 5)},
    )


def test_a_late_price_turns_what_is_unpriced_into_bills() -> None:
    plan = a_workload(late_price_mentors=1, unpriced_mentors=1).plan()
    before, after = expectation(plan), expectation(plan, late_prices=True)
    assert {bill.mentor_id for bill in before.unpriced} == {"run-mentor-05", "run-mentor-06"}
    assert {bill.mentor_id for bill in after.unpriced} == {"run-mentor-06"}
    assert len(before.bills) + len(before.unpriced) == len(after.bills) + len(after.unpriced)


def test_a_plan_without_completions_and_its_completions_make_the_whole() -> None:
    plan = a_workload().plan()
    prepared, completions = plan.without(CompleteSession), plan.only(CompleteSession)
    assert len(prepared.actions) + len(completions.actions) == len(plan.actions)
    assert completions.event_count == 2 * len(completions.actions)
    assert prepared.event_count + completions.event_count == plan.event_count


SIZES = st.fixed_dictionaries(
    {
        "mentors": st.integers(1, 5),
        "students": st.integers(1, 4),
        "single_sessions": st.integers(0, 20),
        "unevaluated_sessions": st.integers(0, 3),
        "finished_packages": st.integers(0, 3),
        "waiting_packages": st.integers(0, 3),
        "evaluated_share": st.floats(0, 1),
        "late_price_mentors": st.integers(0, 2),
        "unpriced_mentors": st.integers(0, 2),
    }
)


@settings(max_examples=40, deadline=None)  # a busy machine is no falsification
@given(seed=st.integers(0, 2**32), sizes=SIZES)
def test_every_plan_can_be_carried_out(seed: int, sizes: dict[str, Any]) -> None:
    plan = a_workload(seed=seed, **sizes).plan()
    done: dict[str, list[type[Action]]] = {}
    for action in plan.actions:
        done.setdefault(by_session(action), []).append(type(action))
    sessions = [kinds for kinds in done.values() if StartSession in kinds]
    for kinds in sessions:
        assert kinds[:2] == [StartSession, EndSession]
        assert sorted(kind.__name__ for kind in kinds[2:]) in (
            ["CompleteSession"],
            ["CompleteSession", "EvaluateSession"],
        )
    completed = Counter(
        action.contract_id for action in plan.actions if isinstance(action, CompleteSession)
    )
    for action in plan.actions:
        if isinstance(action, SignContract):
            assert completed[action.contract_id] <= sum(s.quantity for s in action.services)


@settings(max_examples=40, deadline=None)  # a busy machine is no falsification
@given(seed=st.integers(0, 2**32), sizes=SIZES)
def test_every_session_is_billed_once_or_waits(seed: int, sizes: dict[str, Any]) -> None:
    plan = a_workload(seed=seed, **sizes).plan()
    expected = expectation(plan)
    paid = [s for bill in (*expected.bills, *expected.unpriced) for s in bill.session_ids]
    in_waiting_packages = sum(one.billable_sessions for one in expected.waiting_packages)
    completed = len(plan.only(CompleteSession).actions)
    assert len(paid) == len(set(paid))
    assert len(paid) + in_waiting_packages + len(expected.waiting_evaluations) == completed
    assert sum(expected.totals().values()) == sum(bill.amount_minor for bill in expected.bills)


@pytest.mark.parametrize("kind", ["session", "package"])
def test_amounts_are_about_what_the_platform_charges(kind: str) -> None:
    bills = [bill for bill in expected_bills(a_workload().plan()) if bill.kind == kind]
    low, high = (70_00, 135_00) if kind == "session" else (580_00, 2_200_00)
    assert bills
    assert all(low <= bill.amount_minor <= high for bill in bills)
