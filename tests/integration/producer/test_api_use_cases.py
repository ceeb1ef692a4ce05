"""The use cases over HTTP, on a real database: what they do, and how they refuse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from tests.integration.producer.stories import hold_session, key, problem, sign_and_activate

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from sqlalchemy import Engine

    Events = Callable[[], list[dict[str, Any]]]

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_session_from_contract_to_evaluation_leaves_its_events_in_order(
    api: httpx.Client, events: Events
) -> None:
    sign_and_activate(api)
    hold_session(api)
    assert api.post("/sessions/session-1/completion").status_code == 200
    assert api.post("/sessions/session-1/evaluation", json={"rating": 4.5}).status_code == 200
    assert [(e["event_type"], e["aggregate_id"]) for e in events()] == [
        ("contract.signed", "contract-1"),
        ("contract.activated", "contract-1"),
        ("service.consumed", "contract-1"),
        ("services.session.completed", "session-1"),
        ("services.session.evaluated", "session-1"),
    ]
    assert events()[-1]["payload"]["rating"] == 4.5


def test_what_was_changed_is_answered_and_can_be_read(api: httpx.Client) -> None:
    package = {"servicePackageId": "package-1", "packageCode": "course", "mentorId": "mentor-1"}
    services = [
        {"sessionType": "single", "quantity": 2},
        {"sessionType": "course", "quantity": 10, "package": package},
    ]
    contract = {"contractId": "contract-1", "studentId": "student-1", "services": services}
    signed = api.post("/contracts", json=contract)
    assert signed.headers["Location"] == "/contracts/contract-1"
    assert api.get(signed.headers["Location"]).json() == signed.json()
    assert [
        (line["sessionType"], line["remaining"], line["servicePackageId"])
        for line in signed.json()["entitlements"]
    ] == [("course", 10, "package-1"), ("single", 2, None)]

    api.post("/contracts/contract-1/activation")
    session = {"sessionId": "session-1", "mentorId": "mentor-1", "sessionType": "course"}
    started = api.post("/contracts/contract-1/sessions", json=session)
    assert started.headers["Location"] == "/sessions/session-1"
    assert api.get("/sessions/session-1").json() == started.json()
    assert started.json()["completedAt"] is None
    api.post("/sessions/session-1/end")
    completed = api.post("/sessions/session-1/completion").json()
    since = datetime.now(UTC) - datetime.fromisoformat(completed["completedAt"])
    assert timedelta(0) <= since < timedelta(minutes=1)
    assert api.get("/contracts/contract-1").json()["entitlements"][0]["remaining"] == 9


def test_a_user_signs_up_once(api: httpx.Client, events: Events) -> None:
    signed_up = api.post("/users", json={"userId": "user-1"})
    assert (signed_up.status_code, signed_up.headers["Location"]) == (201, "/users/user-1")
    assert api.get("/users/user-1").json() == signed_up.json()
    assert problem(api.post("/users", json={"userId": "user-1"})) == "user-already-signed-up"
    assert [e["event_type"] for e in events()] == ["user.signup"]


def test_a_session_is_evaluated_before_it_is_completed(api: httpx.Client, events: Events) -> None:
    sign_and_activate(api)
    hold_session(api)
    assert api.post("/sessions/session-1/evaluation").status_code == 200
    assert api.post("/sessions/session-1/completion").status_code == 200
    assert [e["event_type"] for e in events() if e["aggregate_type"] == "session"] == [
        "services.session.evaluated",
        "services.session.completed",
    ]


def _service(session_type: str, quantity: int = 1, **package: str) -> dict[str, Any]:
    line = {"sessionType": session_type, "quantity": quantity}
    return {**line, "package": package} if package else line


PACKAGE = {"servicePackageId": "package-1", "packageCode": "course", "mentorId": "mentor-1"}
SESSION = {"sessionId": "session-9", "mentorId": "mentor-1", "sessionType": "mentoring"}


def _contract(contract_id: str, *services: dict[str, Any]) -> dict[str, Any]:
    return {"contractId": contract_id, "studentId": "student-1", "services": list(services)}


@pytest.mark.parametrize(
    ("path", "body", "status", "kind"),
    [
        ("/contracts", _contract("contract-1", _service("a")), 409, "contract-already-signed"),
        (
            "/contracts",
            _contract("contract-8", _service("a"), _service("a")),
            422,
            "contract-terms-invalid",
        ),
        (
            "/contracts",
            _contract("contract-8", _service("a", **PACKAGE), _service("b", **PACKAGE)),
            409,
            "package-already-sold",
        ),
        ("/contracts/contract-1/activation", None, 409, "contract-already-activated"),
        ("/contracts/nowhere/activation", None, 404, "contract-unknown"),
        ("/contracts/nowhere/sessions", SESSION, 404, "contract-unknown"),
        ("/contracts/contract-2/sessions", SESSION, 409, "contract-not-activated"),
        (
            "/contracts/contract-1/sessions",
            {**SESSION, "sessionType": "resume"},
            409,
            "service-not-included",
        ),
        (
            "/contracts/contract-1/sessions",
            {**SESSION, "sessionId": "session-1"},
            409,
            "session-already-started",
        ),
        ("/sessions/nowhere/end", None, 404, "session-unknown"),
        ("/sessions/nowhere/completion", None, 404, "session-unknown"),
        ("/sessions/nowhere/evaluation", None, 404, "session-unknown"),
        ("/sessions/session-1/end", None, 409, "session-already-ended"),
        ("/sessions/session-1/completion", None, 409, "session-already-completed"),
        ("/sessions/session-1/evaluation", None, 409, "evaluation-already-recorded"),
        ("/sessions/session-2/completion", None, 409, "session-not-ended"),
    ],
)
def test_what_the_domain_refuses_is_told_as_a_problem_and_changes_nothing(
    api: httpx.Client, events: Events, path: str, body: object, status: int, kind: str
) -> None:
    sign_and_activate(api)
    hold_session(api)
    api.post("/sessions/session-1/completion")
    api.post("/sessions/session-1/evaluation")
    api.post("/contracts/contract-1/sessions", json={**SESSION, "sessionId": "session-2"})
    api.post("/contracts", json=_contract("contract-2", _service("mentoring")))
    before = events()
    for headers in ({}, key()):
        refused = api.post(path, json=body, headers=headers)
        assert (refused.status_code, problem(refused)) == (status, kind)
    assert events() == before
    assert api.get("/contracts/contract-8").status_code == 404


def test_a_package_is_held_by_its_mentor_and_a_used_up_contract_gives_no_session(
    api: httpx.Client,
) -> None:
    api.post("/contracts", json=_contract("contract-1", _service("mentoring", **PACKAGE)))
    api.post("/contracts/contract-1/activation")
    stranger = api.post("/contracts/contract-1/sessions", json={**SESSION, "mentorId": "mentor-2"})
    assert (stranger.status_code, problem(stranger)) == (409, "mentor-not-of-package")
    hold_session(api)
    api.post("/sessions/session-1/completion")
    one_more = api.post("/contracts/contract-1/sessions", json=SESSION)
    assert (one_more.status_code, problem(one_more)) == (409, "no-entitlement-left")


def test_what_the_database_refuses_of_an_event_is_told_with_its_field_and_changes_nothing(
    api: httpx.Client, engine: Engine, events: Events
) -> None:
    sign_and_activate(api)
    hold_session(api)
    with engine.begin() as connection:
        connection.execute(text("UPDATE mentoring.sessions SET mentor_id = ''"))
    refused = api.post("/sessions/session-1/completion", headers=key())
    assert (refused.status_code, problem(refused)) == (422, "event-refused")
    assert "mentorId: is empty" in refused.json()["detail"]
    assert api.get("/sessions/session-1").json()["completedAt"] is None
    assert api.get("/contracts/contract-1").json()["entitlements"][0]["remaining"] == 2
    assert len(events()) == 2


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        (TRACE, TRACE),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", None),
        ("x" * 300, None),
    ],
)
def test_the_trace_of_a_request_reaches_its_events_where_it_is_one(
    api: httpx.Client, events: Events, header: str, kept: str | None
) -> None:
    sign_and_activate(api)
    hold_session(api)
    completed = api.post("/sessions/session-1/completion", headers={"traceparent": header})
    assert completed.status_code == 200
    assert [e["traceparent"] for e in events()[2:]] == [kept, kept]


def test_health_is_what_the_database_says(api: httpx.Client) -> None:
    assert api.get("/health").json() == {"ready": True}


def test_every_problem_has_a_type_that_describes_it(api: httpx.Client) -> None:
    refused = api.post("/sessions/nowhere/end").json()
    described = api.get(refused["type"]).json()
    assert (described["type"], described["title"]) == (refused["type"], refused["title"])
    assert problem(api.get("/problems/none")) == "path-unknown"
