"""Sign-ups to a webhook on the whole stack: what is posted, and that no bill ever waits for it."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg.types.json import Jsonb

from infra.local.health import page_is_good, read_page
from tests.end_to_end.books import NOON, Books
from tests.processes import Process, free_port, running
from tests.waiting import wait_until
from tests.webhook_receiver import TAKEN, Answer, Receiver, after, receiving, status

SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()
_RECORD = (
    "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload{more}) "
    "VALUES ('user', %s, 'user.signup', %s{value}) RETURNING id::text"
)


class Notifying:
    """The process, and the receiver that it posts to."""

    def __init__(self, receiver: Receiver, process: Process, health_url: str) -> None:
        self.receiver = receiver
        self.process = process
        self.health_url = health_url

    def posted(self) -> list[str]:
        return [post.headers["webhook-id"] for post in self.receiver.posts]

    def wait_for(self, event_id: str) -> None:
        wait_until(
            f"{event_id} is posted", self.posted, lambda posted: event_id in posted, seconds=60
        )

    def notices(self) -> dict[str, str]:
        return dict((read_page(self.health_url) or {}).get("notices", {}))


@contextmanager
def notifying(books: Books, receiver: Receiver, folder: Path) -> Iterator[Notifying]:
    port = free_port()
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": books.stack.address("kafka_bootstrap_servers"),
        "STATE_DIRECTORY": str(folder),
        "HEALTH_PORT": str(port),
        "SIGNUP_WEBHOOK_URL": receiver.url,
        "SIGNUP_WEBHOOK_SECRET": SECRET,
    }
    health_url = f"http://127.0.0.1:{port}/health"
    with running("stream_processors.notifications", settings) as process:
        wait_until("it is ready", lambda: page_is_good(health_url), bool, seconds=60)
        yield Notifying(receiver, process, health_url)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def sign_up(books: Books, noun: str) -> str:
    user = books.id(noun)
    statement = _RECORD.format(more="", value="")
    payload = Jsonb({"userId": user, "signedUpAt": NOON, "plan": "free"})
    row = books.application.execute(statement, [user, payload]).fetchone()
    assert row is not None
    return str(row[0])


def sign_up_two_hours_ago(books: Books, noun: str) -> str:
    user = books.id(noun)
    statement = _RECORD.format(more=", created_at", value=", now() - interval '2 hours'")
    payload = Jsonb({"userId": user, "signedUpAt": NOON})
    row = books.owner.execute(statement, [user, payload]).fetchone()
    assert row is not None
    return str(row[0])


def longest_wait_seconds(books: Books) -> float:
    """From the commit of a session to its bill, by the database's own clock."""
    [row] = books.rows(
        "SELECT max(extract(epoch FROM bill.posted_at - event.created_at))::float8 AS seconds "
        "FROM mentor_payable_ledgers AS bill "
        "JOIN domain_events AS event ON event.id = bill.source_event_id WHERE bill.mentor_id = %s",
        books.mentor,
    )
    return float(row["seconds"])


def test_a_new_signup_is_posted_once_and_neither_an_old_one_nor_a_replay_is(
    books: Books, tmp_path: Path
) -> None:
    before = sign_up(books, "before")
    with receiving() as receiver, notifying(books, receiver, tmp_path) as notified:
        first = sign_up(books, "first")
        notified.wait_for(first)
        old = sign_up_two_hours_ago(books, "old")
        wait_until("it is in Kafka", lambda: books.status_of(old)["status"], "published".__eq__)
        for event_id in (before, first, old):
            code, _, err = books.stack.outbox("replay", "--event", event_id)
            assert code == 0, err
        # The topic has one partition: what came before the last one was looked at before it.
        last = sign_up(books, "last")
        notified.wait_for(last)
        posted, [post] = notified.posted(), receiver.posts[:1]
    assert (posted.count(first), posted.count(last), old in posted) == (1, 1, False)
    assert set(posted) <= {before, first, last}
    told = json.loads(post.body)
    assert (told["id"], told["type"]) == (first, "user.signup")
    assert told["payload"] == {"userId": books.id("first"), "signedUpAt": NOON, "plan": "free"}
    assert post.headers["webhook-signature"].startswith("v1,")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "answer", [after(60, TAKEN), status(500, "out of order")], ids=["hangs", "fails"]
)
def test_no_bill_waits_for_a_receiver_that_takes_nothing_nor_for_a_dead_agent(
    books: Books, tmp_path: Path, answer: Answer
) -> None:
    with receiving(answer) as receiver, notifying(books, receiver, tmp_path) as notified:
        for number in range(40):
            sign_up(books, f"user-{number}")
            books.insert(books.completed(f"session-{number}"))
        books.wait_for_bills(40)
        wait_until("the receiver is asked", notified.posted, bool)
        notified.process.kill()
        notified.process.wait()
        for number in range(40, 60):
            sign_up(books, f"user-{number}")
            books.insert(books.completed(f"session-{number}"))
        books.wait_for_bills(60)
        # The first 8 sign-ups alone keep the agent for longer: two tries of 5 s, and a pause.
        assert longest_wait_seconds(books) < 10
        code, out, err = books.stack.outbox("status")
        assert (code, "notifications" in out) == (0, False), err
        _, reconciled = books.outbox_json("reconcile", "--since", NOON)
        assert [reconciled[figure] for figure in ("missing", "undelivered")] == [0, 0]


def test_what_a_receiver_did_not_take_is_told_and_what_waited_is_posted_by_the_next_process(
    books: Books, tmp_path: Path
) -> None:
    with receiving(status(404)) as receiver:
        with notifying(books, receiver, tmp_path) as notified:
            lost = sign_up(books, "lost")
            notified.wait_for(lost)
            told = wait_until("a notice", notified.notices, bool)
            notified.process.terminate()
            assert notified.process.wait(timeout=30) == 0
        assert "127.0.0.1 answered 404" in told["signup"]
        receiver.answers = [TAKEN]
        meanwhile = sign_up(books, "meanwhile")
        with notifying(books, receiver, tmp_path) as notified:
            notified.wait_for(meanwhile)
            assert notified.posted().count(lost) == 1
