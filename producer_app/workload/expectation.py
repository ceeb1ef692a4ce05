"""What must be in the ledger after a plan ran, from the plan alone.

A second statement of the billing rules of INTERFACE.md, on purpose: it shares nothing with the
stream processors, so that a mistake there can't hide here.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from producer_app.workload.actions import (
    CompleteSession,
    EvaluateSession,
    Plan,
    Price,
    SignContract,
    StartSession,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from producer_app.domain import Service, SessionRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpricedBill:
    """What is owed; exactly one of session_id and service_package_id is set.

    `kind` is `session` or `package`; `session_ids` are the sessions it pays, sorted.
    """

    kind: str
    mentor_id: str
    contract_id: str
    student_id: str
    session_id: str | None
    service_package_id: str | None
    price_code: str
    occurred_at: datetime
    session_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedBill(UnpricedBill):
    """What is owed with its price: `amount_minor` in minor units of `currency`."""

    amount_minor: int
    currency: str
    price_effective_from: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingPackage:
    """A package that is short: `billable_sessions` of `total_sessions`, fewer than all."""

    service_package_id: str
    contract_id: str
    billable_sessions: int
    total_sessions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """The ledger's bills, and what is rightly not in it; each sorted by its ids."""

    bills: tuple[ExpectedBill, ...]
    unpriced: tuple[UnpricedBill, ...]
    waiting_packages: tuple[WaitingPackage, ...]
    waiting_evaluations: tuple[str, ...]
    waiting_completions: tuple[str, ...]

    def totals(self) -> dict[tuple[str, str], int]:
        """Return the sum in minor units by (mentor_id, currency)."""
        sums: dict[tuple[str, str], int] = defaultdict(int)
        for bill in self.bills:
            sums[bill.mentor_id, bill.currency] += bill.amount_minor
        return dict(sums)


@dataclass(frozen=True, slots=True)
class _Story:
    """The plan's actions by subject."""

    students: Mapping[str, str]
    services: Mapping[tuple[str, str], Service]
    requests: Mapping[str, SessionRequest]
    completed_at: Mapping[str, datetime]
    evaluated_at: Mapping[str, datetime]

    def billable_at(self, session_id: str) -> datetime | None:
        completed_at = self.completed_at.get(session_id)
        if completed_at is None or not self.requests[session_id].required_evaluation:
            return completed_at
        return self.evaluated_at.get(session_id)


def expectation(plan: Plan, *, late_prices: bool = False) -> Expectation:
    """Return what a run of `plan` must end in, with `plan.late_prices` inserted or not."""
    story = _tell(plan)
    owed, waiting_packages = _packages(story)
    owed += _singles(story)
    prices = plan.prices + (plan.late_prices if late_prices else ())
    bills, unpriced = _priced(owed, prices)
    requiring = {key for key, request in story.requests.items() if request.required_evaluation}
    return Expectation(
        bills=tuple(bills),
        unpriced=tuple(unpriced),
        waiting_packages=tuple(waiting_packages),
        waiting_evaluations=tuple(
            sorted((story.completed_at.keys() & requiring) - story.evaluated_at.keys())
        ),
        waiting_completions=tuple(
            sorted((story.evaluated_at.keys() & requiring) - story.completed_at.keys())
        ),
    )


def expected_bills(plan: Plan, *, late_prices: bool = False) -> list[ExpectedBill]:
    """Return the bills of `expectation`."""
    return list(expectation(plan, late_prices=late_prices).bills)


def _tell(plan: Plan) -> _Story:
    signed = [action for action in plan.actions if isinstance(action, SignContract)]
    started = [action for action in plan.actions if isinstance(action, StartSession)]
    return _Story(
        students={action.contract_id: action.student_id for action in signed},
        services={
            (action.contract_id, service.session_type): service
            for action in signed
            for service in action.services
        },
        requests={action.request.session_id: action.request for action in started},
        completed_at=_times(plan, CompleteSession),
        evaluated_at=_times(plan, EvaluateSession),
    )


def _times(plan: Plan, kind: type[CompleteSession | EvaluateSession]) -> dict[str, datetime]:
    return {action.session_id: action.at for action in plan.actions if isinstance(action, kind)}


def _singles(story: _Story) -> list[UnpricedBill]:
    owed = []
    for session_id, request in sorted(story.requests.items()):
        occurred_at = story.billable_at(session_id)
        in_package = story.services[request.contract_id, request.session_type].package is not None
        if in_package or occurred_at is None:
            continue
        owed.append(
            UnpricedBill(
                kind="session",
                mentor_id=request.mentor_id,
                contract_id=request.contract_id,
                student_id=story.students[request.contract_id],
                session_id=session_id,
                service_package_id=None,
                price_code=request.session_type,
                occurred_at=occurred_at,
                session_ids=(session_id,),
            )
        )
    return owed


def _packages(story: _Story) -> tuple[list[UnpricedBill], list[WaitingPackage]]:
    owed, waiting = [], []
    for (contract_id, session_type), service in sorted(story.services.items(), key=_key):
        package = service.package
        if package is None:
            continue
        billable = _billable_sessions(story, contract_id, session_type)
        if len(billable) < service.quantity:
            waiting.append(
                WaitingPackage(
                    service_package_id=package.service_package_id,
                    contract_id=contract_id,
                    billable_sessions=len(billable),
                    total_sessions=service.quantity,
                )
            )
            continue
        owed.append(
            UnpricedBill(
                kind="package",
                mentor_id=package.mentor_id,
                contract_id=contract_id,
                student_id=story.students[contract_id],
                session_id=None,
                service_package_id=package.service_package_id,
                price_code=package.package_code,
                occurred_at=max(billable.values()),
                session_ids=tuple(sorted(billable)),
            )
        )
    return owed, waiting


def _key(item: tuple[tuple[str, str], Service]) -> tuple[str, str]:
    return item[0]


def _billable_sessions(story: _Story, contract_id: str, session_type: str) -> dict[str, datetime]:
    times = {}
    for session_id, request in story.requests.items():
        if (request.contract_id, request.session_type) == (contract_id, session_type):
            occurred_at = story.billable_at(session_id)
            if occurred_at is not None:
                times[session_id] = occurred_at
    return times


def _priced(
    owed: Iterable[UnpricedBill], prices: Iterable[Price]
) -> tuple[list[ExpectedBill], list[UnpricedBill]]:
    """Split what is owed by whether a price is in force when it occurred."""
    by_code: dict[tuple[str, str], list[Price]] = defaultdict(list)
    for price in prices:
        by_code[price.mentor_id, price.price_code].append(price)
    bills, unpriced = [], []
    for bill in owed:
        in_force = [
            price
            for price in by_code[bill.mentor_id, bill.price_code]
            if price.effective_from <= bill.occurred_at
        ]
        if not in_force:
            unpriced.append(bill)
            continue
        bills.append(_with_price(bill, max(in_force, key=lambda price: price.effective_from)))
    return bills, unpriced


def _with_price(bill: UnpricedBill, price: Price) -> ExpectedBill:
    return ExpectedBill(
        kind=bill.kind,
        mentor_id=bill.mentor_id,
        contract_id=bill.contract_id,
        student_id=bill.student_id,
        session_id=bill.session_id,
        service_package_id=bill.service_package_id,
        price_code=bill.price_code,
        occurred_at=bill.occurred_at,
        session_ids=bill.session_ids,
        amount_minor=price.amount_minor,
        currency=price.currency,
        price_effective_from=price.effective_from,
    )
