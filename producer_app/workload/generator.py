"""The seeded generator of plans: stories of contracts, told beside each other."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import uuid4

from producer_app.domain import Service, ServicePackage, SessionRequest
from producer_app.workload.actions import (
    Action,
    ActivateContract,
    CompleteSession,
    EndSession,
    EvaluateSession,
    Plan,
    SignContract,
    SignUpUser,
    StartSession,
)
from producer_app.workload.price_list import price_lists

SINGLE_SESSION_TYPES = ("mentoring", "mock-interview", "resume-review")
PACKAGE_SESSION_TYPE = "package-session"
PACKAGE_TOTALS = (10, 3, 5)
"""How many sessions the packages have, in turn; the code of one is package-<total>."""

SESSIONS_PER_CONTRACT_MAX = 5
SPREAD = timedelta(days=20)
"""Contracts are signed within this time, so their sessions mix."""

EVALUATED_EARLY_SHARE = 0.25
"""Of the evaluations, how many come before the completion."""

NEEDLESS_EVALUATION_SHARE = 0.1
"""Of the sessions that need no evaluation, how many get one all the same."""


def new_run_id() -> str:
    """Return a run id that no other run on the same database has."""
    return uuid4().hex[:12]


def thirty_days_ago() -> datetime:
    """Return a start from which even the last action of a plan lies in the past."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """How much of what. Equal fields give the equal plan; only run_id and starts_at differ by run.

    The mentors take turns. With two or more that are priced in time, the last of these is paid in
    EUR, all others in USD. The last `unpriced_mentors` never get a price, the `late_price_mentors`
    before them only by `Plan.late_prices`. `evaluated_share` (0 to 1) of the sessions require an
    evaluation. Of the single sessions, `unevaluated_sessions` wait for theirs for ever.
    """

    seed: int
    run_id: str = field(default_factory=new_run_id)
    starts_at: datetime = field(default_factory=thirty_days_ago)
    mentors: int = 6
    students: int = 12
    single_sessions: int = 60
    unevaluated_sessions: int = 2
    finished_packages: int = 4
    waiting_packages: int = 2
    evaluated_share: float = 0.3
    late_price_mentors: int = 0
    unpriced_mentors: int = 0

    def plan(self) -> Plan:
        """Return the plan; its actions are in the order of their times."""
        generator = _Generator(self)
        actions = generator.actions()
        prices, late_prices = price_lists(
            generator.random,
            generator.mentors,
            actions,
            self.starts_at,
            late=self.late_price_mentors,
            never=self.unpriced_mentors,
        )
        return Plan(
            run_id=self.run_id,
            seed=self.seed,
            prices=prices,
            late_prices=late_prices,
            actions=actions,
        )


class _Generator:
    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.random = random.Random(workload.seed)  # noqa: S311  (reproducible, not secret)
        self.mentors = self._names("mentor", workload.mentors)
        self.students = self._names("student", workload.students)
        self._turn = count()
        self._contract_number = count(1)
        self._session_number = count(1)

    def actions(self) -> tuple[Action, ...]:
        told: list[Action] = [
            SignUpUser(user_id=student, at=self._after(self.workload.starts_at, SPREAD))
            for student in self.students
        ]
        told += self._single_contracts()
        for number in range(self.workload.finished_packages):
            told += self._package(number)
        for number in range(self.workload.waiting_packages):
            # In turn, one lacks its last session, the next an evaluation.
            told += self._package(number, held=number % 2 == 1, evaluated=False)
        return tuple(sorted(told, key=lambda action: action.at))

    def _single_contracts(self) -> list[Action]:
        sessions = self.workload.single_sessions
        unevaluated = min(self.workload.unevaluated_sessions, sessions)
        evaluated = [False] * unevaluated + [True] * (sessions - unevaluated)
        self.random.shuffle(evaluated)
        told: list[Action] = []
        while evaluated:
            quantity = min(len(evaluated), self.random.randint(1, SESSIONS_PER_CONTRACT_MAX))
            session_type = self.random.choice(SINGLE_SESSION_TYPES)
            contract_id = self._next_contract_id()
            opening = self._opening(
                contract_id, Service(session_type=session_type, quantity=quantity)
            )
            told += opening
            for _ in range(quantity):
                told += self._session(
                    contract_id, session_type, self._next_mentor(), opening[-1].at, evaluated.pop()
                )
        return told

    def _package(self, number: int, *, held: bool = True, evaluated: bool = True) -> list[Action]:
        """Tell a package whose last session is held and evaluated, or not."""
        total = PACKAGE_TOTALS[number % len(PACKAGE_TOTALS)]
        contract_id, mentor_id = self._next_contract_id(), self._next_mentor()
        package = ServicePackage(
            service_package_id=f"{contract_id}-package",
            package_code=f"package-{total}",
            mentor_id=mentor_id,
        )
        told = self._opening(
            contract_id,
            Service(session_type=PACKAGE_SESSION_TYPE, quantity=total, package=package),
        )
        opened_at = told[-1].at
        for position in range(total):
            last = position == total - 1
            if held or not last:
                told += self._session(
                    contract_id,
                    PACKAGE_SESSION_TYPE,
                    mentor_id,
                    opened_at,
                    evaluated or not last,
                )
        return told

    def _opening(self, contract_id: str, service: Service) -> list[Action]:
        signed_at = self._after(self.workload.starts_at, SPREAD)
        return [
            SignContract(
                contract_id=contract_id,
                student_id=self.random.choice(self.students),
                services=(service,),
                at=signed_at,
            ),
            ActivateContract(
                contract_id=contract_id, at=self._after(signed_at, timedelta(hours=12))
            ),
        ]

    def _session(
        self,
        contract_id: str,
        session_type: str,
        mentor_id: str,
        opened_at: datetime,
        evaluated: bool,
    ) -> list[Action]:
        """Tell one session; one that is not `evaluated` requires it, and waits for ever."""
        session_id = f"{self.workload.run_id}-session-{next(self._session_number):05}"
        required = not evaluated or self.random.random() < self.workload.evaluated_share
        started_at = self._after(opened_at, timedelta(days=5))
        ended_at = self._after(started_at + timedelta(minutes=30), timedelta(hours=1))
        completed_at = self._after(ended_at, timedelta(hours=12))
        told: list[Action] = [
            StartSession(
                request=SessionRequest(
                    session_id=session_id,
                    contract_id=contract_id,
                    mentor_id=mentor_id,
                    session_type=session_type,
                    required_evaluation=required,
                ),
                at=started_at,
            ),
            EndSession(session_id=session_id, contract_id=contract_id, at=ended_at),
            CompleteSession(session_id=session_id, contract_id=contract_id, at=completed_at),
        ]
        if evaluated and (required or self.random.random() < NEEDLESS_EVALUATION_SHARE):
            told.append(
                EvaluateSession(
                    session_id=session_id,
                    contract_id=contract_id,
                    rating=self.random.randint(2, 10) / 2,
                    at=self._evaluated_at(ended_at, completed_at),
                )
            )
        return told

    def _evaluated_at(self, ended_at: datetime, completed_at: datetime) -> datetime:
        if self.random.random() < EVALUATED_EARLY_SHARE:
            return self._after(ended_at, completed_at - ended_at)
        return self._after(completed_at, timedelta(days=3))

    def _after(self, moment: datetime, within: timedelta) -> datetime:
        """Return a moment later than `moment` by at least a microsecond, at most `within`."""
        return moment + timedelta(
            microseconds=self.random.randint(1, within // timedelta(microseconds=1))
        )

    def _next_mentor(self) -> str:
        return self.mentors[next(self._turn) % len(self.mentors)]

    def _next_contract_id(self) -> str:
        return f"{self.workload.run_id}-contract-{next(self._contract_number):04}"

    def _names(self, kind: str, quantity: int) -> list[str]:
        return [f"{self.workload.run_id}-{kind}-{number:02}" for number in range(1, quantity + 1)]
