"""What a plan consists of: the prices there are, and the actions in the order of their times."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from datetime import datetime

    from producer_app.domain import Service, SessionRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A row of mentor_prices; `amount_minor` in minor units of `currency` (ISO 4217)."""

    mentor_id: str
    price_code: str
    amount_minor: int
    currency: str
    effective_from: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUpUser:
    """A student signs up."""

    event_count: ClassVar[int] = 1

    user_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignContract:
    """A student signs a contract for services."""

    event_count: ClassVar[int] = 1

    contract_id: str
    student_id: str
    services: tuple[Service, ...]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateContract:
    """A signed contract comes into force."""

    event_count: ClassVar[int] = 1

    contract_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSession:
    """A session starts, with the mentor of the request."""

    event_count: ClassVar[int] = 0

    request: SessionRequest
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSession:
    """A session ends."""

    event_count: ClassVar[int] = 0

    session_id: str
    contract_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteSession:
    """A session is completed: one entitlement is consumed."""

    event_count: ClassVar[int] = 2

    session_id: str
    contract_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateSession:
    """A session is evaluated; `rating` from 1 to 5."""

    event_count: ClassVar[int] = 1

    session_id: str
    contract_id: str
    rating: float
    at: datetime


Action = (
    SignUpUser
    | SignContract
    | ActivateContract
    | StartSession
    | EndSession
    | CompleteSession
    | EvaluateSession
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that will happen. `late_prices` are for a test to insert when it is time."""

    run_id: str
    seed: int
    prices: tuple[Price, ...]
    late_prices: tuple[Price, ...]
    actions: tuple[Action, ...]

    @property
    def event_count(self) -> int:
        """How many rows of domain_events the actions cause."""
        return sum(action.event_count for action in self.actions)

    def only(self, *kinds: type[Action]) -> Plan:
        """Return the plan with the actions of these kinds alone, in the same order."""
        kept = tuple(action for action in self.actions if isinstance(action, kinds))
        return replace(self, actions=kept)

    def without(self, *kinds: type[Action]) -> Plan:
        """Return the plan without the actions of these kinds, in the same order."""
        kept = tuple(action for action in self.actions if not isinstance(action, kinds))
        return replace(self, actions=kept)


def by_contract(action: Action) -> str:
    """Return the subject whose actions must keep their order, whatever runs beside them."""
    if isinstance(action, SignUpUser):
        return action.user_id
    if isinstance(action, StartSession):
        return action.request.contract_id
    return action.contract_id


def by_session(action: Action) -> str:
    """Return the finer subject for plans whose contracts are signed and activated already."""
    if isinstance(action, StartSession):
        return action.request.session_id
    if isinstance(action, EndSession | CompleteSession | EvaluateSession):
        return action.session_id
    return by_contract(action)
