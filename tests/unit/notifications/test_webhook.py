import asyncio
import base64
import hashlib
import hmac
import json
import socket
import time
from datetime import UTC, datetime

import pytest

from stream_processors.notifications import webhook
from stream_processors.notifications.notification import Notification
from stream_processors.notifications.webhook import NotPostedError, Webhook
from tests.webhook_receiver import TAKEN, Answer, after, drip, receiving, status

KEY = bytes(range(32))
SIGNUP = Notification(
    event_id="0197f2d0-0000-7000-8000-00000000000a",
    event_type="user.signup",
    created_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
    payload=b'{"userId": "u-1", "signedUpAt": "2026-03-01T12:00:00Z", "score": 1.10}',
    text="u-1 signed up.",
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "PAUSE_SECONDS", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def post(url: str, key: bytes | None = None) -> None:
    async def once() -> None:
        hook = Webhook(url, key)
        try:
            await hook.post(SIGNUP)
        finally:
            await hook.close()

    asyncio.run(once())


def refusal(url: str) -> str:
    with pytest.raises(NotPostedError) as caught:
        post(url)
    return str(caught.value)


def test_an_event_is_posted_as_it_was_recorded_with_its_id_type_and_time() -> None:
    with receiving() as receiver:
        post(receiver.url)
    [came] = receiver.posts
    assert (came.path, came.headers["content-type"]) == ("/hook", "application/json")
    assert json.loads(came.body) == {
        "id": SIGNUP.event_id,
        "type": "user.signup",
        "created_at": "2026-03-01T12:00:00+00:00",
        "payload": {"userId": "u-1", "signedUpAt": "2026-03-01T12:00:00Z", "score": 1.1},
        "text": "u-1 signed up.",
    }
    assert SIGNUP.payload in came.body


def test_a_receiver_with_the_secret_can_tell_who_posted_what_and_when() -> None:
    with receiving() as receiver:
        post(receiver.url, KEY)
    [came] = receiver.posts
    timestamp = came.headers["webhook-timestamp"]
    assert abs(time.time() - int(timestamp)) < 30
    signed = f"{SIGNUP.event_id}.{timestamp}.".encode() + came.body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert came.headers["webhook-id"] == SIGNUP.event_id
    assert came.headers["webhook-signature"] == f"v1,{expected}"


def test_without_a_secret_nothing_is_signed() -> None:
    with receiving() as receiver:
        post(receiver.url)
    assert "webhook-signature" not in receiver.posts[0].headers


@pytest.mark.parametrize("code", [408, 429, 500, 503])
def test_a_passing_fault_is_tried_once_more_under_the_same_id(code: int) -> None:
    with receiving(status(code), TAKEN) as receiver:
        post(receiver.url)
    assert [came.headers["webhook-id"] for came in receiver.posts] == [SIGNUP.event_id] * 2


def test_a_receiver_that_keeps_failing_is_asked_twice_and_no_more() -> None:
    with receiving(status(500, "out of order")) as receiver:
        assert refusal(receiver.url) == "127.0.0.1 answered 500: 'out of order'"
    assert len(receiver.posts) == 2


def test_what_is_refused_for_good_is_not_tried_again() -> None:
    with receiving(status(404, "x" * 10_000)) as receiver:
        assert refusal(receiver.url) == f"127.0.0.1 answered 404: '{'x' * 200}'"
    assert len(receiver.posts) == 1


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_nothing_is_posted_to_where_a_receiver_sends_it(code: int) -> None:
    with receiving() as elsewhere, receiving(status(code, location=elsewhere.url)) as receiver:
        assert "it sends elsewhere, set that address" in refusal(receiver.url)
    assert (len(receiver.posts), elsewhere.posts) == (1, [])


@pytest.mark.parametrize("answer", [after(5, TAKEN), drip])
def test_a_receiver_that_hangs_or_never_ends_is_left_in_time(
    monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    monkeypatch.setattr(webhook, "TRY_SECONDS", 0.3)
    with receiving(answer) as receiver:
        began_at = time.monotonic()
        assert "did not answer within" in refusal(receiver.url)
        # Either answer alone takes longer.
        assert time.monotonic() - began_at < 4


def test_a_receiver_that_is_not_there_is_told_by_its_host_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    told = refusal(f"http://127.0.0.1:{port}/services/T0/B0/secret")
    assert told.startswith("127.0.0.1 could not be asked: ConnectError")
    assert "secret" not in told
