"""The use cases of the mentoring application. Each is one transaction, or has not happened.

The business change and its events commit together or not at all. A transaction locks in one
order (contract, entitlement, session), so two of them never wait for each other.

A use case does not retry. A fault of the connection before the commit leaves nothing behind; one
during the commit leaves the answer open, and running the use case again then either succeeds or
is refused as done already (SessionAlreadyCompleted, …), which is the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.errors import UniqueViolation
from sqlalchemy import and_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import sessionmaker

from producer_app.domain import Contract, Entitlement, Service, Session, SessionRequest, User
from producer_app.models import entitlements, sessions
from producer_app.outbox import record
from producer_app.refusals import (
    ContractAlreadySigned,
    ContractUnknown,
    DomainRefusal,
    PackageAlreadySold,
    ServiceNotIncluded,
    SessionAlreadyStarted,
    SessionUnknown,
    UserAlreadySignedUp,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Engine
    from sqlalchemy.orm import Session as Transaction


EXCLUSIVE = {"key_share": True}
"""FOR NO KEY UPDATE: excludes other changes, not the rows that only refer to this one."""


class MentoringService:
    """The application's use cases over one engine; safe to share between threads.

    Times are aware datetimes of the application's clock; they become the events' signedAt,
    completedAt and so on. Every use case raises a DomainRefusal if the rules refuse it,
    EventRefused if the outbox refuses its event, and SQLAlchemy's errors for a database's fault.
    """

    def __init__(self, engine: Engine) -> None:
        self._transaction = sessionmaker(engine)

    def sign_up_user(self, user_id: str, at: datetime) -> None:
        """Register a user; raise UserAlreadySignedUp."""
        user = User(user_id=user_id, signed_up_at=at)
        with self._transaction.begin() as transaction:
            _insert(transaction, [user], UserAlreadySignedUp(user_id))
            record(transaction, user.sign_up())

    def sign_contract(
        self, contract_id: str, student_id: str, services: Sequence[Service], at: datetime
    ) -> None:
        """Sign a contract for services.

        Raises ContractTermsInvalid, ContractAlreadySigned, PackageAlreadySold.
        """
        contract = Contract(contract_id=contract_id, student_id=student_id, signed_at=at)
        granted, signed = contract.sign(services)
        with self._transaction.begin() as transaction:
            _insert(transaction, [contract], ContractAlreadySigned(contract_id))
            _insert(transaction, granted, PackageAlreadySold(contract_id))
            record(transaction, signed)

    def activate_contract(self, contract_id: str, at: datetime) -> None:
        """Open a contract for sessions; raise ContractUnknown, ContractAlreadyActivated."""
        with self._transaction.begin() as transaction:
            contract = transaction.get(Contract, contract_id, with_for_update=EXCLUSIVE)
            if contract is None:
                raise ContractUnknown(contract_id)
            record(transaction, contract.activate(at))

    def start_session(self, request: SessionRequest, at: datetime) -> None:
        """Start a session. No event: it means nothing to others until it is completed.

        Raises ContractUnknown, ContractNotActivated, ServiceNotIncluded, NoEntitlementLeft,
        MentorNotOfPackage, SessionAlreadyStarted.
        """
        with self._transaction.begin() as transaction:
            contract = transaction.get(Contract, request.contract_id)
            if contract is None:
                raise ContractUnknown(request.contract_id)
            contract.require_activated()
            key = (request.contract_id, request.session_type)
            entitlement = transaction.get(Entitlement, key)
            if entitlement is None:
                raise ServiceNotIncluded(*key)
            session = Session.start(request, contract, entitlement, at)
            _insert(transaction, [session], SessionAlreadyStarted(request.session_id))

    def end_session(self, session_id: str, at: datetime) -> None:
        """End a running session; raise SessionUnknown, SessionAlreadyEnded."""
        with self._transaction.begin() as transaction:
            _locked_session(transaction, session_id).end(at)

    def complete_session(self, session_id: str, at: datetime) -> None:
        """Consume one entitlement and record service.consumed and services.session.completed.

        Of two completions that race for the last entitlement the second waits for the first, and
        is refused. Raises SessionUnknown, SessionNotEnded, SessionAlreadyCompleted,
        NoEntitlementLeft.
        """
        with self._transaction.begin() as transaction:
            entitlement = _locked_entitlement_of(transaction, session_id)
            session = _locked_session(transaction, session_id)
            for event in session.complete(entitlement, at):
                record(transaction, event)

    def evaluate_session(self, session_id: str, at: datetime, rating: float | None = None) -> None:
        """Record an evaluation, also of a session that is not completed yet.

        Raises SessionUnknown, EvaluationAlreadyRecorded.
        """
        with self._transaction.begin() as transaction:
            session = _locked_session(transaction, session_id)
            record(transaction, session.evaluate(at, rating))


def _insert(transaction: Transaction, entities: Sequence[object], refusal: DomainRefusal) -> None:
    """Insert at once, so that the key's owner is known; raise `refusal` if it is taken."""
    transaction.add_all(entities)
    try:
        transaction.flush()
    except IntegrityError as error:
        if isinstance(error.orig, UniqueViolation):
            raise refusal from error
        raise


def _locked_session(transaction: Transaction, session_id: str) -> Session:
    session = transaction.get(Session, session_id, with_for_update=EXCLUSIVE)
    if session is None:
        raise SessionUnknown(session_id)
    return session


def _locked_entitlement_of(transaction: Transaction, session_id: str) -> Entitlement:
    """Lock what a session consumes; which that is never changes, so it is read unlocked."""
    statement = (
        select(Entitlement)
        .join(
            sessions,
            and_(
                sessions.c.contract_id == entitlements.c.contract_id,
                sessions.c.session_type == entitlements.c.session_type,
            ),
        )
        .where(sessions.c.session_id == session_id)
        .with_for_update(of=entitlements, key_share=True)
    )
    entitlement = transaction.scalars(statement).one_or_none()
    if entitlement is None:
        raise SessionUnknown(session_id)
    return entitlement
