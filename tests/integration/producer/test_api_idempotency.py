"""A request that is sent again: one effect, one answer, whoever sends it and however often."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from producer_app.api.idempotency import PURGED_AT_ONCE_MAX
from tests.integration.producer.stories import hold_session, key, problem, sign_and_activate

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from sqlalchemy import Engine

    Events = Callable[[], list[dict[str, Any]]]

COMPLETION = "/sessions/session-1/completion"


@pytest.fixture
def ready(api: httpx.Client) -> httpx.Client:
    """A session that can be completed."""
    sign_and_activate(api)
    hold_session(api)
    return api


def whole(response: httpx.Response) -> tuple[int, str | None, str, bytes]:
    """All of an answer that its sender acts upon."""
    headers = response.headers
    return response.status_code, headers.get("Location"), headers["Content-Type"], response.content


def kept_keys(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM mentoring.idempotency_keys")) or 0)


def test_a_repeated_request_has_the_first_answer_and_no_second_effect(
    ready: httpx.Client, events: Events
) -> None:
    user = {"userId": "user-1"}
    first = ready.post("/users", json=user, headers=key("one"))
    assert first.status_code == 201
    assert whole(ready.post("/users", json=user, headers=key("one"))) == whole(first)
    completed = ready.post(COMPLETION, headers=key("two"))
    assert completed.status_code == 200
    # What has changed since changes nothing about the answer.
    ready.post("/sessions/session-1/evaluation")
    assert whole(ready.post(COMPLETION, headers=key("two"))) == whole(completed)
    happened = [event["event_type"] for event in events()]
    assert happened.count("user.signup") == 1
    assert happened.count("services.session.completed") == 1


def test_without_a_key_a_repeated_request_is_refused_by_the_domain(ready: httpx.Client) -> None:
    assert ready.post(COMPLETION).status_code == 200
    assert problem(ready.post(COMPLETION)) == "session-already-completed"


def test_a_change_whose_answer_cannot_be_kept_is_not_made(
    ready: httpx.Client, engine: Engine, events: Events
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("ALTER TABLE mentoring.idempotency_keys ADD CHECK (response_status <> 200)")
        )
    failed = ready.post(COMPLETION, headers=key())
    assert problem(failed) == "internal-error"
    assert ready.get("/sessions/session-1").json()["completedAt"] is None
    assert len(events()) == 2
    assert ready.post(COMPLETION).status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/users", {"userId": "user-2"}),
        ("/users", {"userId": "user-1", "x": 1}),
        ("/sessions/nowhere/end", {}),
    ],
)
def test_a_key_of_another_request_is_refused_and_changes_nothing(
    api: httpx.Client, events: Events, path: str, body: dict[str, Any]
) -> None:
    api.post("/users", json={"userId": "user-1"}, headers=key())
    refused = api.post(path, json=body, headers=key())
    assert refused.status_code == 422
    assert problem(refused) == ("request-invalid" if "x" in body else "idempotency-key-reused")
    assert len(events()) == 1


def test_a_key_is_the_same_with_its_quotes_and_without(api: httpx.Client) -> None:
    first = api.post("/users", json={"userId": "user-1"}, headers={"Idempotency-Key": '"a"'})
    again = api.post("/users", json={"userId": "user-1"}, headers={"Idempotency-Key": "a"})
    assert whole(again) == whole(first)


def test_a_copy_of_a_request_under_way_is_told_to_wait_and_then_has_its_answer(
    ready: httpx.Client, engine: Engine, events: Events
) -> None:
    with ThreadPoolExecutor() as threads:
        with engine.begin() as connection:
            connection.execute(text("SELECT FROM mentoring.sessions FOR UPDATE"))
            first = threads.submit(ready.post, COMPLETION, headers=key())
            while not connection.scalar(
                text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
            ):
                assert not first.done()
            copy = ready.post(COMPLETION, headers=key())
            assert (copy.status_code, problem(copy)) == (409, "idempotency-key-in-flight")
            assert copy.headers["Retry-After"] == "2"
        answer = whole(first.result())
    assert answer[0] == 200
    assert whole(ready.post(COMPLETION, headers=key())) == answer
    assert len(events()) == 4


def test_of_many_copies_sent_at_once_one_is_carried_out(
    ready: httpx.Client, events: Events
) -> None:
    copies = 8
    start = Barrier(copies)

    def send(_: int) -> httpx.Response:
        start.wait()
        return ready.post(COMPLETION, headers=key())

    for _ in range(3):
        with ThreadPoolExecutor(copies) as threads:
            answers = list(threads.map(send, range(copies)))
        done = {whole(answer) for answer in answers if answer.status_code == 200}
        others = {problem(answer) for answer in answers if answer.status_code != 200}
        assert len(done) == 1
        assert others <= {"idempotency-key-in-flight"}
        assert [event["event_type"] for event in events()].count("services.session.completed") == 1


def test_a_refusal_is_an_answer_too_so_that_a_late_copy_does_not_succeed(
    api: httpx.Client, events: Events
) -> None:
    sign_and_activate(api)
    session = {"sessionId": "session-1", "mentorId": "mentor-1", "sessionType": "mentoring"}
    api.post("/contracts/contract-1/sessions", json=session)
    refused = api.post(COMPLETION, headers=key("early"))
    assert problem(refused) == "session-not-ended"
    api.post("/sessions/session-1/end")
    assert whole(api.post(COMPLETION, headers=key("early"))) == whole(refused)
    assert len(events()) == 2
    assert api.post(COMPLETION, headers=key("anew")).status_code == 200


def test_a_request_that_no_use_case_saw_leaves_its_key_free(
    api: httpx.Client, engine: Engine
) -> None:
    assert api.post("/users", json={}, headers=key()).status_code == 422
    assert api.post("/users", content=b"x", headers=key()).status_code == 415
    assert kept_keys(engine) == 0
    assert api.post("/users", json={"userId": "user-1"}, headers=key()).status_code == 201


def test_a_key_expires_and_is_free_for_another_request(api: httpx.Client, engine: Engine) -> None:
    api.post("/users", json={"userId": "user-1"}, headers=key())
    with engine.begin() as connection:
        lifetimes = connection.execute(
            text("SELECT expires_at - answered_at FROM mentoring.idempotency_keys")
        )
        assert [lifetime.total_seconds() for (lifetime,) in lifetimes] == [24 * 60 * 60]
        connection.execute(text("UPDATE mentoring.idempotency_keys SET expires_at = now()"))
    second = api.post("/users", json={"userId": "user-2"}, headers=key())
    assert second.status_code == 201
    assert whole(api.post("/users", json={"userId": "user-2"}, headers=key())) == whole(second)
    assert kept_keys(engine) == 1


def test_expired_keys_are_taken_away_by_the_requests_that_come(
    api: httpx.Client, engine: Engine
) -> None:
    expired = PURGED_AT_ONCE_MAX + 5
    for number in range(expired):
        api.post("/users", json={"userId": f"user-{number}"}, headers=key(f"old-{number}"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE mentoring.idempotency_keys SET expires_at = now()"))
    for number, left in enumerate((5, 0)):
        api.post("/users", json={"userId": f"new-{number}"}, headers=key(f"new-{number}"))
        assert kept_keys(engine) == left + number + 1
