"""The API's resources. Each POST is one use case of `producer_app.service`, in one transaction."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from producer_app.api.execution import Done, Executing, Reading
from producer_app.api.openapi import problem_responses
from producer_app.api.representations import (
    Contract,
    Evaluation,
    Id,
    NewContract,
    NewSession,
    NewUser,
    NoFields,
    Session,
    User,
)
from producer_app.domain import SessionRequest
from producer_app.service import MentoringService

ContractId = Annotated[Id, Path()]
SessionId = Annotated[Id, Path()]
UserId = Annotated[Id, Path()]

router = APIRouter()


@router.post(
    "/users", status_code=201, response_model=User, responses=problem_responses(409), tags=["users"]
)
def sign_up_user(user: NewUser, executing: Executing) -> Response:
    """Sign a user up: records `user.signup`."""

    def use_case(service: MentoringService, now: datetime) -> Done:
        service.sign_up_user(user.user_id, now)
        return Done(_user(service, user.user_id), f"/users/{user.user_id}")

    return executing.run(use_case)


@router.get("/users/{user_id}", responses=problem_responses(404), tags=["users"])
def get_user(user_id: UserId, service: Reading) -> User:
    """Read a user."""
    return _user(service, user_id)


@router.post(
    "/contracts",
    status_code=201,
    response_model=Contract,
    responses=problem_responses(409),
    tags=["contracts"],
)
def sign_contract(contract: NewContract, executing: Executing) -> Response:
    """Sign a contract for services: records `contract.signed`."""

    def use_case(service: MentoringService, now: datetime) -> Done:
        services = [line.as_sold() for line in contract.services]
        service.sign_contract(contract.contract_id, contract.student_id, services, now)
        location = f"/contracts/{contract.contract_id}"
        return Done(_contract(service, contract.contract_id), location)

    return executing.run(use_case)


@router.get("/contracts/{contract_id}", responses=problem_responses(404), tags=["contracts"])
def get_contract(contract_id: ContractId, service: Reading) -> Contract:
    """Read a contract and what is left of its entitlements."""
    return _contract(service, contract_id)


@router.post(
    "/contracts/{contract_id}/activation",
    response_model=Contract,
    responses=problem_responses(404, 409),
    tags=["contracts"],
)
def activate_contract(
    contract_id: ContractId, executing: Executing, _: NoFields | None = None
) -> Response:
    """Open a contract for sessions: records `contract.activated`."""

    def use_case(service: MentoringService, now: datetime) -> Done:
        service.activate_contract(contract_id, now)
        return Done(_contract(service, contract_id))

    return executing.run(use_case)


@router.post(
    "/contracts/{contract_id}/sessions",
    status_code=201,
    response_model=Session,
    responses=problem_responses(404, 409),
    tags=["sessions"],
)
def start_session(contract_id: ContractId, session: NewSession, executing: Executing) -> Response:
    """Start a session. No event: it means nothing to others until it is completed."""
    request = SessionRequest(contract_id=contract_id, **dict(session))

    def use_case(service: MentoringService, now: datetime) -> Done:
        service.start_session(request, now)
        return Done(_session(service, request.session_id), f"/sessions/{request.session_id}")

    return executing.run(use_case)


@router.get("/sessions/{session_id}", responses=problem_responses(404), tags=["sessions"])
def get_session(session_id: SessionId, service: Reading) -> Session:
    """Read a session."""
    return _session(service, session_id)


@router.post(
    "/sessions/{session_id}/end",
    response_model=Session,
    responses=problem_responses(404, 409),
    tags=["sessions"],
)
def end_session(session_id: SessionId, executing: Executing, _: NoFields | None = None) -> Response:
    """End a running session. No event: completing it is what counts."""

    def use_case(service: MentoringService, now: datetime) -> Done:
        service.end_session(session_id, now)
        return Done(_session(service, session_id))

    return executing.run(use_case)


@router.post(
    "/sessions/{session_id}/completion",
    response_model=Session,
    responses=problem_responses(404, 409),
    tags=["sessions"],
)
def complete_session(
    session_id: SessionId, executing: Executing, _: NoFields | None = None
) -> Response:
    """Consume an entitlement: records `service.consumed` and `services.session.completed`."""

    def use_case(service: MentoringService, now: datetime) -> Done:
        service.complete_session(session_id, now)
        return Done(_session(service, session_id))

    return executing.run(use_case)


@router.post(
    "/sessions/{session_id}/evaluation",
    response_model=Session,
    responses=problem_responses(404, 409),
    tags=["sessions"],
)
def evaluate_session(
    session_id: SessionId, executing: Executing, evaluation: Evaluation | None = None
) -> Response:
    """Evaluate a session, completed or not: records `services.session.evaluated`."""
    rating = None if evaluation is None else evaluation.rating

    def use_case(service: MentoringService, now: datetime) -> Done:
        service.evaluate_session(session_id, now, rating)
        return Done(_session(service, session_id))

    return executing.run(use_case)


def _user(service: MentoringService, user_id: str) -> User:
    return User.model_validate(service.user(user_id))


def _contract(service: MentoringService, contract_id: str) -> Contract:
    return Contract.of(*service.contract(contract_id))


def _session(service: MentoringService, session_id: str) -> Session:
    return Session.model_validate(service.session(session_id))
