"""The steps that the stories of these tests share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import text

from producer_app.domain import Service, SessionRequest

if TYPE_CHECKING:
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
