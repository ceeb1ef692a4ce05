import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from stream_processors.engine.messages import InboundRecord
from stream_processors.notifications import notifier as module
from stream_processors.notifications.agents import AGENTS
from stream_processors.notifications.notifier import Notifier
from stream_processors.notifications.webhook import Webhook
from tests.webhook_receiver import TAKEN, Receiver, after, receiving, status

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
STATUSES = ("posted", "failed", "too_old", "repeated", "undecodable")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def notifier(receiver: Receiver) -> Iterator[Notifier]:
    notifier = Notifier(AGENTS[0], Webhook(receiver.url, None), HOUR, NOW.timestamp)
    yield notifier
    notifier.close()


def event_id(number: int) -> str:
    return f"0197f2d0-0000-7000-8000-{number:012d}"


def signup(
    number: int = 1,
    created_at: datetime = NOW,
    event_type: str = "user.signup",
    value: bytes = b'{"userId": "u-1", "signedUpAt": "2026-03-01T12:00:00Z"}',
) -> InboundRecord:
    headers = {
        "id": event_id(number).encode(),
        "eventType": event_type.encode(),
        "createdAt": created_at.isoformat().encode(),
    }
    return InboundRecord("events.user", 0, number, b"u-1", value, headers)


def ids(receiver: Receiver) -> list[str]:
    return [post.headers["webhook-id"] for post in receiver.posts]


def counted() -> dict[str, float]:
    labels = {"event_type": "user.signup"}
    return {
        each: REGISTRY.get_sample_value("outbox_notifications_total", {**labels, "status": each})
        or 0.0
        for each in STATUSES
    }


def since(before: dict[str, float]) -> dict[str, float]:
    """What was counted meanwhile, without what was not."""
    after_it = counted()
    return {
        each: after_it[each] - before[each] for each in STATUSES if after_it[each] > before[each]
    }


def test_a_new_event_is_posted_and_counted(notifier: Notifier, receiver: Receiver) -> None:
    before = counted()
    notifier.carry_out([signup()])
    assert ids(receiver) == [event_id(1)]
    assert b'"text":"u-1 signed up."' in receiver.posts[0].body
    assert since(before) == {"posted": 1}


@pytest.mark.parametrize(
    ("age", "posted"),
    [(HOUR, 1), (HOUR + timedelta(seconds=1), 0), (timedelta(days=365), 0), (-HOUR, 1)],
)
def test_what_is_older_than_the_limit_is_not_posted_any_more(
    notifier: Notifier, receiver: Receiver, age: timedelta, posted: int
) -> None:
    before = counted()
    notifier.carry_out([signup(created_at=NOW - age)])
    assert len(receiver.posts) == posted
    assert since(before) == ({"posted": 1} if posted else {"too_old": 1})


def test_an_event_that_comes_again_is_posted_once_also_within_a_batch(
    notifier: Notifier, receiver: Receiver
) -> None:
    before = counted()
    notifier.carry_out([signup(), signup()])
    notifier.carry_out([signup(), signup(2)])
    assert sorted(ids(receiver)) == [event_id(1), event_id(2)]
    assert since(before) == {"posted": 2, "repeated": 2}


def test_it_remembers_no_more_events_than_it_may(
    notifier: Notifier, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REMEMBERED_EVENTS", 2)
    for number in (1, 2, 3, 3, 2, 1):
        notifier.carry_out([signup(number)])
    assert ids(receiver) == [event_id(number) for number in (1, 2, 3, 1)]


def test_a_post_that_failed_is_told_until_one_succeeds_and_is_made_if_the_event_is_sent_again(
    notifier: Notifier, receiver: Receiver
) -> None:
    before = counted()
    receiver.answers = [status(404), status(404), TAKEN]
    assert notifier.notice is None
    notifier.carry_out([signup(1)])
    notifier.carry_out([signup(2)])
    assert notifier.notice == (
        "signup: 2 in a row were not posted, the last because 127.0.0.1 answered 404: ''. "
        "Each is in the log; none is tried again"
    )
    notifier.carry_out([signup(1)])
    assert notifier.notice is None
    assert since(before) == {"failed": 2, "posted": 1}


@pytest.mark.parametrize(
    "record",
    [
        signup(value=b"{"),
        signup(value=b'{"userId": "u-1"}'),
        InboundRecord("events.user", 0, 1, b"u-1", b"{}", {"eventType": b"user.signup"}),
    ],
)
def test_a_record_that_is_no_such_event_is_counted_and_the_rest_is_posted(
    notifier: Notifier, receiver: Receiver, record: InboundRecord
) -> None:
    before = counted()
    notifier.carry_out([record, signup(2)])
    assert ids(receiver) == [event_id(2)]
    assert since(before) == {"undecodable": 1, "posted": 1}


def test_an_agent_that_cannot_make_its_text_is_told_and_holds_nothing_up(
    notifier: Notifier, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def text(_: object) -> str:
        raise TypeError("secret-value is None")

    before = counted()
    agent = notifier._agent
    monkeypatch.setattr(notifier, "_agent", replace(agent, text=text))
    notifier.carry_out([signup(1)])
    assert since(before) == {"failed": 1}
    assert notifier.notice is not None
    assert "its text could not be made (TypeError)" in notifier.notice
    monkeypatch.setattr(notifier, "_agent", agent)
    notifier.carry_out([signup(1)])
    assert ids(receiver) == [event_id(1)]


def test_another_event_of_its_topic_is_not_its_business(
    notifier: Notifier, receiver: Receiver
) -> None:
    before = counted()
    notifier.carry_out([signup(event_type="user.renamed"), signup(event_type="")])
    assert (receiver.posts, since(before)) == ([], {})


def test_what_comes_together_is_posted_at_once(notifier: Notifier, receiver: Receiver) -> None:
    receiver.answers = [after(0.5, TAKEN)]
    began_at = time.monotonic()
    notifier.carry_out([signup(number) for number in range(8)])
    assert len(receiver.posts) == 8
    # One after the other they would take 4 s.
    assert time.monotonic() - began_at < 3
