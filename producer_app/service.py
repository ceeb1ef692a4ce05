"""The use cases of the mentoring application. Each is one transaction, or has not happened.

The business change and its events commit together or not at all. A transaction locks in one
order (contract, entitlement, session), so two of them never wait for each other.

A use case does not retry. A fault of the connection before the commit leaves nothing behind; one
during the commit leaves the answer open, and running the use case again then either succeeds or
is refused as done already (SessionAlreadyCompleted, …), which is the answer.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from psycopg.errors import UniqueViolation
from sqlalchemy import and_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session as Transaction

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
    UserUnknown,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Engine


EXCLUSIVE = {"key_share": True}
"""FOR NO KEY UPDATE: excludes other changes, not the rows that only refer to this one."""


class MentoringService:
    """The application's use cases. Over an engine each is a transaction, and threads may share it.

    Over a connection each is a savepoint of the transaction that its caller has begun and commits,
    so that a caller's own rows become one with it. `traceparent` is the W3C trace context that the
    events carry: that of the request where there is one service a request.

    Times are aware datetimes of the application's clock; they become the events' signedAt,
    completedAt and so on. Every use case raises a DomainRefusal if the rules refuse it,
    EventRefused if the outbox refuses its event, and SQLAlchemy's errors for a database's fault.
    """

    def __init__(self, bind: Engine | Connection, *, traceparent: str | None = None) -> None:
        self._bind = bind
        self._traceparent = traceparent

    def contract(self, contract_id: str) -> tuple[Contract, list[Entitlement]]:
        """Return a contract and what it grants, by session type; raise ContractUnknown."""
        with self._transaction() as transaction:
            contract = transaction.get(Contract, contract_id)
            if contract is None:
                raise ContractUnknown(contract_id)
            granted = select(Entitlement).where(entitlements.c.contract_id == contract_id)
            in_order = granted.order_by(entitlements.c.session_type)
            return contract, list(transaction.scalars(in_order))

    def session(self, session_id: str) -> Session:
        """Return a session as it is now; raise SessionUnknown."""
        with self._transaction() as transaction:
            session = transaction.get(Session, session_id)
            if session is None:
                raise SessionUnknown(session_id)
            return session

    def user(self, user_id: str) -> User:
        """Return somebody who signed up; raise UserUnknown."""
        with self._transaction() as transaction:
            user = transaction.get(User, user_id)
            if user is None:
                raise UserUnknown(user_id)
            return user

    def sign_up_user(self, user_id: str, at: datetime) -> None:
        """Register a user; raise UserAlreadySignedUp."""
        user = User(user_id=user_id, signed_up_at=at)
        with self._transaction() as transaction:
            _insert(transaction, [user], UserAlreadySignedUp(user_id))
            record(transaction, user.sign_up(), self._traceparent)

    def sign_contract(
        self, contract_id: str, student_id: str, services: Sequence[Service], at: datetime
    ) -> None:
        """Sign a contract for services.

        Raises ContractTermsInvalid, ContractAlreadySigned, PackageAlreadySold.
        """
        contract = Contract(contract_id=contract_id, student_id=student_id, signed_at=at)
        granted, signed = contract.sign(services)
        with self._transaction() as transaction:
            _insert(transaction, [contract], ContractAlreadySigned(contract_id))
            _insert(transaction, granted, PackageAlreadySold(contract_id))
            record(transaction, signed, self._traceparent)

    def activate_contract(self, contract_id: str, at: datetime) -> None:
        """Open a contract for sessions; raise ContractUnknown, ContractAlreadyActivated."""
        with self._transaction() as transaction:
            contract = transaction.get(Contract, contract_id, with_for_update=EXCLUSIVE)
            if contract is None:
                raise ContractUnknown(contract_id)
            record(transaction, contract.activate(at), self._traceparent)

    def start_session(self, request: SessionRequest, at: datetime) -> None:
        """Start a session. No event: it means nothing to others until it is completed.

        Raises ContractUnknown, ContractNotActivated, ServiceNotIncluded, NoEntitlementLeft,
        MentorNotOfPackage, SessionAlreadyStarted.
        """
        with self._transaction() as transaction:
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
        with self._transaction() as transaction:
            _locked_session(transaction, session_id).end(at)

    def complete_session(self, session_id: str, at: datetime) -> None:
        """Consume one entitlement and record service.consumed and services.session.completed.

        Of two completions that race for the last entitlement the second waits for the first, and
        is refused. Raises SessionUnknown, SessionNotEnded, SessionAlreadyCompleted,
        NoEntitlementLeft.
        """
        with self._transaction() as transaction:
            entitlement = _locked_entitlement_of(transaction, session_id)
            session = _locked_session(transaction, session_id)
            for event in session.complete(entitlement, at):
                record(transaction, event, self._traceparent)

    def evaluate_session(self, session_id: str, at: datetime, rating: float | None = None) -> None:
        """Record an evaluation, also of a session that is not completed yet.

        Raises SessionUnknown, EvaluationAlreadyRecorded.
        """
        with self._transaction() as transaction:
            session = _locked_session(transaction, session_id)
            record(transaction, session.evaluate(at, rating), self._traceparent)

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        with (
            Transaction(
                self._bind, expire_on_commit=False, join_transaction_mode="create_savepoint"
            ) as transaction,
            transaction.begin(),
        ):
            yield transaction


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
