"""The steps that the stories of these tests share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import text

from producer_app.domain import Service, SessionRequest

if TYPE_CHECKING:
    import httpx
    from sqlalchemy import Engine

    from producer_app.service import MentoringService

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MENTORING = Service(session_type="mentoring", quantity=2)


def request(session_id: str = "session-1", session_type: str = "mentoring") -> SessionRequest:
    return SessionRequest(
        session_id=session_id,
        contract_id="contract-1",
        mentor_id="mentor-1",
        session_type=session_type,
    )


def activate(service: MentoringService, *services: Service) -> None:
    service.sign_contract("contract-1", "student-1", services or (MENTORING,), NOON)
    service.activate_contract("contract-1", NOON)


def hold(service: MentoringService, session_id: str, session_type: str = "mentoring") -> None:
    service.start_session(request(session_id, session_type), NOON)
    service.end_session(session_id, NOON + timedelta(minutes=45))


def remaining(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT sum(remaining) FROM mentoring.entitlements")))


def sign_and_activate(api: httpx.Client, quantity: int = 2) -> None:
    """Contract `contract-1` with sessions of type `mentoring`, over HTTP."""
    services = [{"sessionType": "mentoring", "quantity": quantity}]
    contract = {"contractId": "contract-1", "studentId": "student-1", "services": services}
    assert api.post("/contracts", json=contract).status_code == 201
    assert api.post("/contracts/contract-1/activation").status_code == 200


def hold_session(api: httpx.Client, session_id: str = "session-1") -> None:
    """Start and end a session, over HTTP."""
    session = {"sessionId": session_id, "mentorId": "mentor-1", "sessionType": "mentoring"}
    assert api.post("/contracts/contract-1/sessions", json=session).status_code == 201
    assert api.post(f"/sessions/{session_id}/end").status_code == 200


def key(value: str = "key-1") -> dict[str, str]:
    """The header that names a request."""
    return {"Idempotency-Key": f'"{value}"'}


def problem(response: httpx.Response) -> str:
    """The name of the kind of a problem document, which is whole."""
    assert response.headers["Content-Type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == response.status_code
    assert document["title"]
    assert document["detail"].endswith(".")
    return str(document["type"].removeprefix("/problems/"))
