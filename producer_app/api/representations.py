"""What the API takes and gives, as JSON; its OpenAPI document is made from these.

What it takes is read strictly: a field of another type or name is refused, not guessed at, since
a misspelt `requiredEvaluation` would end in a wrong bill.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from producer_app import domain

ID_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._~:@-]{0,254}$"
"""Ids stand in paths: 1 to 255 characters that no client and no proxy writes in another way."""
QUANTITY_MAX = 2_147_483_647
SERVICES_MAX = 100
RATING_MIN = 1
RATING_MAX = 5

Id = Annotated[str, Field(pattern=ID_PATTERN)]


def _integer(value: object) -> object:
    """Return 2.0 as 2: to JSON Schema both are the same integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Quantity = Annotated[int, Field(ge=1, le=QUANTITY_MAX), BeforeValidator(_integer)]
Instant = Annotated[datetime, AfterValidator(lambda instant: instant.astimezone(UTC))]


class _Taken(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, strict=True, extra="forbid", validate_by_name=False
    )


class _Given(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        from_attributes=True,
        serialize_by_alias=True,
    )


class NoFields(_Taken):
    """A body that may be left out: there is nothing to say but the path."""


class NewUser(_Taken):
    """Somebody who signs up."""

    user_id: Id


class ServicePackage(_Taken):
    """Sessions that are billed together, once all of them are done."""

    service_package_id: Id
    package_code: Id
    mentor_id: Id


class Service(_Taken):
    """A line of a contract: so many sessions of a type, singly or as a package."""

    session_type: Id
    quantity: Quantity
    package: ServicePackage | None = None

    def as_sold(self) -> domain.Service:
        """Return the line in the domain's terms."""
        package = None if self.package is None else domain.ServicePackage(**dict(self.package))
        return domain.Service(
            session_type=self.session_type, quantity=self.quantity, package=package
        )


class NewContract(_Taken):
    """A contract to sign."""

    contract_id: Id
    student_id: Id
    services: Annotated[list[Service], Field(min_length=1, max_length=SERVICES_MAX)]


class NewSession(_Taken):
    """A session to start, of a type that the contract includes."""

    session_id: Id
    mentor_id: Id
    session_type: Id
    required_evaluation: bool = False


class Evaluation(_Taken):
    """What the student thought of a session."""

    rating: Annotated[float, Field(ge=RATING_MIN, le=RATING_MAX)] | None = None


class User(_Given):
    """Somebody who signed up."""

    user_id: str
    signed_up_at: Instant


class Entitlement(_Given):
    """What a contract granted of a session type, and what is left; package fields all or none."""

    session_type: str
    granted: int
    remaining: int
    service_package_id: str | None
    package_code: str | None
    package_mentor_id: str | None


class Contract(_Given):
    """A signed contract; its sessions can start once it is activated."""

    contract_id: str
    student_id: str
    signed_at: Instant
    activated_at: Instant | None
    entitlements: list[Entitlement]

    @classmethod
    def of(cls, contract: domain.Contract, granted: Sequence[domain.Entitlement]) -> "Contract":
        """Return the representation of a contract with what it grants."""
        return cls(
            contract_id=contract.contract_id,
            student_id=contract.student_id,
            signed_at=contract.signed_at,
            activated_at=contract.activated_at,
            entitlements=[Entitlement.model_validate(entitlement) for entitlement in granted],
        )


class Session(_Given):
    """A session, and when each of its steps was taken."""

    session_id: str
    contract_id: str
    mentor_id: str
    student_id: str
    session_type: str
    required_evaluation: bool
    started_at: Instant
    ended_at: Instant | None
    completed_at: Instant | None
    evaluated_at: Instant | None
