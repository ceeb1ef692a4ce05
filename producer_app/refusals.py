"""What the mentoring domain refuses, each with what happened, to what, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class DomainRefusal(Exception):  # noqa: N818  (a refusal is named by what stood in the way)
    """The business rules refuse the request; nothing has changed and no event exists."""


class ContractUnknown(DomainRefusal):
    """No contract has this id."""

    def __init__(self, contract_id: str) -> None:
        super().__init__(f"Contract {contract_id!r} is unknown. Sign it first, or check the id.")


class ContractAlreadySigned(DomainRefusal):
    """A contract with this id exists."""

    def __init__(self, contract_id: str) -> None:
        super().__init__(
            f"Contract {contract_id!r} is signed already. Use it, or sign one with a new id."
        )


class ContractTermsInvalid(DomainRefusal):
    """The services to sign for contradict each other, or are none."""

    def __init__(self, contract_id: str, reason: str) -> None:
        super().__init__(
            f"Contract {contract_id!r} can't be signed: {reason}. Correct its services, sign again."
        )


class ContractNotActivated(DomainRefusal):
    """The contract is signed, and its sessions have to wait for its activation."""

    def __init__(self, contract_id: str) -> None:
        super().__init__(
            f"Contract {contract_id!r} is signed but not activated. Activate it, then start again."
        )


class ContractAlreadyActivated(DomainRefusal):
    """A contract is activated once."""

    def __init__(self, contract_id: str) -> None:
        super().__init__(f"Contract {contract_id!r} is activated already. Nothing is left to do.")


class ServiceNotIncluded(DomainRefusal):
    """The contract grants no sessions of this type."""

    def __init__(self, contract_id: str, session_type: str) -> None:
        super().__init__(
            f"Contract {contract_id!r} does not include sessions of type {session_type!r}. "
            "Choose a type it includes, or sign a contract that has it."
        )


class NoEntitlementLeft(DomainRefusal):
    """Every granted session of this type has been consumed."""

    def __init__(self, contract_id: str, session_type: str, granted: int) -> None:
        super().__init__(
            f"Contract {contract_id!r} has used all {granted} of its {session_type!r} sessions. "
            "Sign a contract that grants more."
        )


class MentorNotOfPackage(DomainRefusal):
    """A package is billed to one mentor, who holds all of its sessions."""

    def __init__(self, service_package_id: str, package_mentor_id: str, mentor_id: str) -> None:
        super().__init__(
            f"Package {service_package_id!r} was sold with mentor {package_mentor_id!r}, so mentor "
            f"{mentor_id!r} can't hold a session of it. Start it with the package's mentor."
        )


class PackageAlreadySold(DomainRefusal):
    """A service package of this id belongs to another contract, or comes twice in this one."""

    def __init__(self, contract_id: str) -> None:
        super().__init__(
            f"Contract {contract_id!r} can't be signed: one of its packages carries the id of a "
            "package that was sold before. Give each sold package its own id."
        )


class SessionUnknown(DomainRefusal):
    """No session has this id."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"Session {session_id!r} is unknown. Start it first, or check the id.")


class SessionAlreadyStarted(DomainRefusal):
    """A session with this id exists."""

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"Session {session_id!r} has been started already. Use a new id for another session."
        )


class SessionEndsBeforeStart(DomainRefusal):
    """The clocks that gave the two times disagree."""

    def __init__(self, session_id: str, started_at: datetime, ended_at: datetime) -> None:
        super().__init__(
            f"Session {session_id!r} started at {started_at.isoformat()} and can't end before, at "
            f"{ended_at.isoformat()}. Check the clock that gave the time, and end it again."
        )


class SessionNotEnded(DomainRefusal):
    """A running session can not be completed."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"Session {session_id!r} is still running. End it before completing it.")


class SessionAlreadyEnded(DomainRefusal):
    """A session ends once."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"Session {session_id!r} has ended already. Complete it next.")


class SessionAlreadyCompleted(DomainRefusal):
    """A session is completed once, and consumes one entitlement."""

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"Session {session_id!r} is completed already and its entitlement consumed. "
            "Nothing is left to do."
        )


class EvaluationAlreadyRecorded(DomainRefusal):
    """A session is evaluated once."""

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"Session {session_id!r} is evaluated already. The first evaluation stands."
        )


class UserUnknown(DomainRefusal):
    """No user has this id."""

    def __init__(self, user_id: str) -> None:
        super().__init__(f"User {user_id!r} is unknown. Sign the user up first, or check the id.")


class UserAlreadySignedUp(DomainRefusal):
    """A user with this id exists."""

    def __init__(self, user_id: str) -> None:
        super().__init__(f"User {user_id!r} has signed up already. Nothing is left to do.")
