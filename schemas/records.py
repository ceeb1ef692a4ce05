"""The records of schemas/events, what an application says happened, and of schemas/billing.

One frozen dataclass an .avsc file, the fields in snake_case. Ids are non-empty text of at most 255
characters, times are aware datetimes in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class SessionCompleted:
    """A session took place; the three package fields are all set, or all None."""

    event_type: ClassVar[str] = "services.session.completed"
    aggregate_type: ClassVar[str] = "session"

    session_id: str
    contract_id: str
    mentor_id: str
    student_id: str
    session_type: str
    required_evaluation: bool
    completed_at: datetime
    service_package_id: str | None = None
    package_code: str | None = None
    package_total_sessions: int | None = None
    duration_minutes: float | None = None

    @property
    def aggregate_id(self) -> str:
        """Return the session's id."""
        return self.session_id


@dataclass(frozen=True, slots=True)
class SessionEvaluated:
    """A session was evaluated."""

    event_type: ClassVar[str] = "services.session.evaluated"
    aggregate_type: ClassVar[str] = "session"

    session_id: str
    evaluated_at: datetime
    rating: float | None = None

    @property
    def aggregate_id(self) -> str:
        """Return the session's id."""
        return self.session_id


@dataclass(frozen=True, slots=True)
class SessionVoided:
    """A person decided that the event `event_id` (lower-case uuid text) counts as absent."""

    event_type: ClassVar[str] = "services.session.voided"
    aggregate_type: ClassVar[str] = "session"

    session_id: str
    event_id: str
    reason: str

    @property
    def aggregate_id(self) -> str:
        """Return the session's id."""
        return self.session_id


@dataclass(frozen=True, slots=True)
class ServiceQuantity:
    """An entitlement of a contract: `quantity` (at least 1) sessions of a type."""

    session_type: str
    quantity: int


@dataclass(frozen=True, slots=True)
class ContractSigned:
    """A student signed a contract for these services."""

    event_type: ClassVar[str] = "contract.signed"
    aggregate_type: ClassVar[str] = "contract"

    contract_id: str
    student_id: str
    signed_at: datetime
    services: tuple[ServiceQuantity, ...]

    @property
    def aggregate_id(self) -> str:
        """Return the contract's id."""
        return self.contract_id


@dataclass(frozen=True, slots=True)
class ContractActivated:
    """A signed contract came into force."""

    event_type: ClassVar[str] = "contract.activated"
    aggregate_type: ClassVar[str] = "contract"

    contract_id: str
    activated_at: datetime

    @property
    def aggregate_id(self) -> str:
        """Return the contract's id."""
        return self.contract_id


@dataclass(frozen=True, slots=True)
class ServiceConsumed:
    """A completed session used `quantity` of an entitlement; `remaining` are left."""

    event_type: ClassVar[str] = "service.consumed"
    aggregate_type: ClassVar[str] = "contract"

    contract_id: str
    session_id: str
    session_type: str
    quantity: int
    remaining: int

    @property
    def aggregate_id(self) -> str:
        """Return the contract's id."""
        return self.contract_id


@dataclass(frozen=True, slots=True)
class UserSignup:
    """Somebody signed up."""

    event_type: ClassVar[str] = "user.signup"
    aggregate_type: ClassVar[str] = "user"

    user_id: str
    signed_up_at: datetime

    @property
    def aggregate_id(self) -> str:
        """Return the user's id."""
        return self.user_id


# The events that the codec knows are those named here.
Event = (
    SessionCompleted
    | SessionEvaluated
    | SessionVoided
    | ContractSigned
    | ContractActivated
    | ServiceConsumed
    | UserSignup
)


@dataclass(frozen=True, slots=True)
class CompletedFact:
    """A services.session.completed event, as a fact; `event_id` is lower-case uuid text."""

    event_id: str
    session_id: str
    contract_id: str
    mentor_id: str
    student_id: str
    session_type: str
    required_evaluation: bool
    completed_at: datetime
    service_package_id: str | None = None
    package_code: str | None = None
    package_total_sessions: int | None = None


@dataclass(frozen=True, slots=True)
class EvaluatedFact:
    """A services.session.evaluated event, as a fact."""

    event_id: str
    session_id: str
    evaluated_at: datetime


@dataclass(frozen=True, slots=True)
class VoidedFact:
    """A services.session.voided event, as a fact about the event `voided_event_id`."""

    event_id: str
    session_id: str
    voided_event_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class PackageSession:
    """All facts about one session of a package: what the package is decided on."""

    service_package_id: str
    session_id: str
    completed: tuple[CompletedFact, ...]
    evaluated: tuple[EvaluatedFact, ...]
    voided: tuple[VoidedFact, ...]


@dataclass(frozen=True, slots=True)
class Payable:
    """What is owed, before pricing.

    `kind` is `session` or `package`, and session_id or service_package_id is set accordingly;
    `ledger_id` and `source_event_id` are uuid text; `session_ids` are the sessions paid, sorted.
    """

    ledger_id: str
    kind: str
    mentor_id: str
    contract_id: str
    student_id: str
    session_id: str | None
    service_package_id: str | None
    price_code: str
    occurred_at: datetime
    source_event_id: str
    session_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PayableWithdrawn:
    """Nothing is owed any more for a session or package that a payable may have been said of.

    `kind` and `ledger_id` as in Payable; `subject` is the id of the session or package;
    `source_event_id` the event because of which nothing is owed, uuid text.
    """

    ledger_id: str
    kind: str
    subject: str
    source_event_id: str


@dataclass(frozen=True, slots=True)
class ExceptionReport:
    """Something that could not be billed; `standing=False` withdraws it.

    `basis` is the number of facts it was decided on: a report with a smaller basis than the one
    stored is stale. `record` is the record concerned, JSON text in UTF-8.
    """

    reason: str
    subject: str
    source_event_id: str | None
    standing: bool
    basis: int
    error: str
    record: bytes


BillingRecord = (
    CompletedFact
    | EvaluatedFact
    | VoidedFact
    | PackageSession
    | Payable
    | PayableWithdrawn
    | ExceptionReport
)
