"""The mentoring domain: contracts, entitlements, sessions, users.

Pure: no database, no clock. A method changes its object and returns the events that this change
means to others; whoever calls it stores both in one transaction (see `producer_app.service`).
All times are aware datetimes given by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from producer_app.refusals import (
    ContractAlreadyActivated,
    ContractNotActivated,
    ContractTermsInvalid,
    EvaluationAlreadyRecorded,
    MentorNotOfPackage,
    NoEntitlementLeft,
    SessionAlreadyCompleted,
    SessionAlreadyEnded,
    SessionEndsBeforeStart,
    SessionNotEnded,
)
from schemas.records import (
    ContractActivated,
    ContractSigned,
    ServiceConsumed,
    ServiceQuantity,
    SessionCompleted,
    SessionEvaluated,
    UserSignup,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

SECONDS_PER_MINUTE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePackage:
    """A bundle of sessions with one mentor, paid once, when all of them are done."""

    service_package_id: str
    package_code: str
    mentor_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A line of a contract: `quantity` sessions of a type, sold singly or as one package."""

    session_type: str
    quantity: int
    package: ServicePackage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRequest:
    """What is asked for when a session starts; ids are the caller's."""

    session_id: str
    contract_id: str
    mentor_id: str
    session_type: str
    required_evaluation: bool = False


@dataclass(eq=False, kw_only=True)
class Entitlement:
    """What a contract still grants of one session type. Package fields are set all or none."""

    contract_id: str
    session_type: str
    granted: int
    remaining: int
    service_package_id: str | None = None
    package_code: str | None = None
    package_total_sessions: int | None = None
    package_mentor_id: str | None = None

    @classmethod
    def grant(cls, contract_id: str, service: Service) -> Entitlement:
        """Return the untouched entitlement to a contract's service."""
        entitlement = cls(
            contract_id=contract_id,
            session_type=service.session_type,
            granted=service.quantity,
            remaining=service.quantity,
        )
        if service.package is not None:
            entitlement.service_package_id = service.package.service_package_id
            entitlement.package_code = service.package.package_code
            entitlement.package_total_sessions = service.quantity
            entitlement.package_mentor_id = service.package.mentor_id
        return entitlement

    def require_one_left(self) -> None:
        """Raise NoEntitlementLeft when every granted session is consumed."""
        if self.remaining == 0:
            raise NoEntitlementLeft(self.contract_id, self.session_type, self.granted)

    def require_mentor(self, mentor_id: str) -> None:
        """Raise MentorNotOfPackage: a package is billed to one mentor, so one mentor holds it."""
        if self.service_package_id is None or self.package_mentor_id is None:
            return
        if mentor_id != self.package_mentor_id:
            raise MentorNotOfPackage(self.service_package_id, self.package_mentor_id, mentor_id)

    def consume(self, session_id: str) -> ServiceConsumed:
        """Take one session off; raise NoEntitlementLeft when there is none."""
        self.require_one_left()
        self.remaining -= 1
        return ServiceConsumed(
            contract_id=self.contract_id,
            session_id=session_id,
            session_type=self.session_type,
            quantity=1,
            remaining=self.remaining,
        )


@dataclass(eq=False, kw_only=True)
class Contract:
    """A student's contract; its sessions can be held once it is activated."""

    contract_id: str
    student_id: str
    signed_at: datetime
    activated_at: datetime | None = None

    def sign(self, services: Sequence[Service]) -> tuple[list[Entitlement], ContractSigned]:
        """Return what the contract grants, and the event; raise ContractTermsInvalid."""
        self._require_sound_terms(services)
        event = ContractSigned(
            contract_id=self.contract_id,
            student_id=self.student_id,
            signed_at=self.signed_at,
            services=tuple(
                ServiceQuantity(session_type=service.session_type, quantity=service.quantity)
                for service in services
            ),
        )
        return [Entitlement.grant(self.contract_id, service) for service in services], event

    def activate(self, at: datetime) -> ContractActivated:
        """Open the contract for sessions; raise ContractAlreadyActivated."""
        if self.activated_at is not None:
            raise ContractAlreadyActivated(self.contract_id)
        self.activated_at = at
        return ContractActivated(contract_id=self.contract_id, activated_at=at)

    def require_activated(self) -> None:
        """Raise ContractNotActivated for a contract that is only signed."""
        if self.activated_at is None:
            raise ContractNotActivated(self.contract_id)

    def _require_sound_terms(self, services: Sequence[Service]) -> None:
        if not services:
            raise ContractTermsInvalid(self.contract_id, "it has no services")
        session_types: set[str] = set()
        for service in services:
            if service.quantity < 1:
                reason = f"it grants {service.quantity} sessions of type {service.session_type!r}"
                raise ContractTermsInvalid(self.contract_id, reason)
            if service.session_type in session_types:
                reason = f"it lists session type {service.session_type!r} twice"
                raise ContractTermsInvalid(self.contract_id, reason)
            session_types.add(service.session_type)


@dataclass(eq=False, kw_only=True)
class Session:
    """A mentor's session with a student: started, ended, completed; evaluated at any moment."""

    session_id: str
    contract_id: str
    mentor_id: str
    student_id: str
    session_type: str
    required_evaluation: bool
    started_at: datetime
    ended_at: datetime | None = None
    completed_at: datetime | None = None
    evaluated_at: datetime | None = None

    @classmethod
    def start(
        cls, request: SessionRequest, contract: Contract, entitlement: Entitlement, at: datetime
    ) -> Session:
        """Return the running session. Nothing is reserved: completing it consumes.

        Raises ContractNotActivated, NoEntitlementLeft, MentorNotOfPackage.
        """
        contract.require_activated()
        entitlement.require_one_left()
        entitlement.require_mentor(request.mentor_id)
        return cls(
            session_id=request.session_id,
            contract_id=contract.contract_id,
            mentor_id=request.mentor_id,
            student_id=contract.student_id,
            session_type=entitlement.session_type,
            required_evaluation=request.required_evaluation,
            started_at=at,
        )

    def end(self, at: datetime) -> None:
        """Stop the clock of the session; raise SessionAlreadyEnded, SessionEndsBeforeStart."""
        if self.ended_at is not None:
            raise SessionAlreadyEnded(self.session_id)
        if at < self.started_at:
            raise SessionEndsBeforeStart(self.session_id, self.started_at, at)
        self.ended_at = at

    def complete(
        self, entitlement: Entitlement, at: datetime
    ) -> tuple[ServiceConsumed, SessionCompleted]:
        """Consume one of `entitlement`, and say that the session took place.

        Raises SessionNotEnded, SessionAlreadyCompleted, NoEntitlementLeft.
        """
        if self.completed_at is not None:
            raise SessionAlreadyCompleted(self.session_id)
        if self.ended_at is None:
            raise SessionNotEnded(self.session_id)
        consumed = entitlement.consume(self.session_id)
        self.completed_at = at
        duration = self.ended_at - self.started_at
        return consumed, SessionCompleted(
            session_id=self.session_id,
            contract_id=self.contract_id,
            mentor_id=self.mentor_id,
            student_id=self.student_id,
            session_type=self.session_type,
            required_evaluation=self.required_evaluation,
            completed_at=at,
            service_package_id=entitlement.service_package_id,
            package_code=entitlement.package_code,
            package_total_sessions=entitlement.package_total_sessions,
            duration_minutes=duration.total_seconds() / SECONDS_PER_MINUTE,
        )

    def evaluate(self, at: datetime, rating: float | None) -> SessionEvaluated:
        """Record the evaluation, be it before or after completion, whether required or not.

        Raises EvaluationAlreadyRecorded.
        """
        if self.evaluated_at is not None:
            raise EvaluationAlreadyRecorded(self.session_id)
        self.evaluated_at = at
        return SessionEvaluated(session_id=self.session_id, evaluated_at=at, rating=rating)


@dataclass(eq=False, kw_only=True)
class User:
    """Somebody who signed up on the platform."""

    user_id: str
    signed_up_at: datetime

    def sign_up(self) -> UserSignup:
        """Return the event that welcomes the user."""
        return UserSignup(user_id=self.user_id, signed_up_at=self.signed_up_at)
