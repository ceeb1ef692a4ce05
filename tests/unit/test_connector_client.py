import base64
import json
from collections.abc import Callable

import httpx
import pytest

from connectors import client as client_module
from connectors.access import OPEN, ConnectSecurity
from connectors.client import ConnectClient
from connectors.errors import ConnectBusyError, ConnectRefusedError, ConnectUnreachableError

Answer = tuple[int, object]


def connect(*answers: Answer, retry_seconds: float = 5.0) -> tuple[ConnectClient, list[str]]:
    """Return a client of a Connect that gives these answers in turn, and what it was asked."""
    asked: list[str] = []
    remaining = list(answers)

    def handle(request: httpx.Request) -> httpx.Response:
        body = request.content.decode()
        asked.append(f"{request.method} {request.url.path} {body}".strip())
        status, answer = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        if isinstance(answer, str):
            return httpx.Response(status, text=answer)
        return httpx.Response(status, json=answer)

    return ConnectClient("http://connect", retry_seconds, httpx.MockTransport(handle)), asked


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_RETRY_PAUSE_SECONDS", 0.0)


def refusal(status: int, message: str) -> Answer:
    return status, {"error_code": status, "message": message}


def test_a_missing_connector_has_no_config_and_no_status() -> None:
    client, _ = connect(refusal(404, "Connector x not found"))
    assert client.config("x") is None
    assert client.status("x") is None


def test_a_status_names_states_workers_and_failures() -> None:
    client, _ = connect(
        (
            200,
            {
                "name": "x",
                "connector": {"state": "RUNNING", "worker_id": "w1:1"},
                "tasks": [{"id": 0, "state": "FAILED", "worker_id": "w2:1", "trace": "boom"}],
            },
        )
    )
    status = client.status("x")
    assert status is not None
    assert status.failures == ("boom",)
    assert (status.tasks[0].number, status.tasks[0].worker) == (0, "w2:1")
    assert not status.is_all("RUNNING")


def test_a_connector_without_tasks_is_not_running() -> None:
    client, _ = connect(
        (200, {"connector": {"state": "RUNNING", "worker_id": "w"}, "tasks": []}),
    )
    status = client.status("x")
    assert status is not None
    assert not status.is_all("RUNNING")


def test_a_request_that_meets_a_rebalance_is_repeated() -> None:
    client, asked = connect(
        refusal(409, "Cannot complete request because of a conflicting operation (rebalance)"),
        refusal(503, "starting"),
        refusal(500, "Request timed out"),
        (200, {}),
    )
    client.put_config("x", {"a": "1"})
    assert asked == ['PUT /connectors/x/config {"a":"1"}'] * 4


def test_a_worker_that_is_still_starting_is_not_taken_for_one_without_the_connector() -> None:
    page = (404, "<html><h2>HTTP ERROR 404 Not Found</h2></html>")
    client, asked = connect(page, (503, "<html>unavailable</html>"), (200, {"a": "1"}))
    assert client.config("x") == {"a": "1"}
    assert len(asked) == 3


def test_a_rebalance_without_end_is_reported_as_busy() -> None:
    client, _ = connect(refusal(409, "rebalance"), retry_seconds=0.0)
    with pytest.raises(ConnectBusyError, match="409 \\(rebalance\\)"):
        client.stop("x")


def test_a_name_that_is_taken_is_not_taken_for_a_rebalance() -> None:
    client, asked = connect(refusal(409, "Connector x already exists"))
    with pytest.raises(ConnectRefusedError, match="already exists"):
        client.create_stopped("x", {"a": "1"})
    assert len(asked) == 1


def test_a_connector_is_created_stopped() -> None:
    client, asked = connect((201, {}))
    client.create_stopped("x", {"a": "1"})
    assert json.loads(asked[0].removeprefix("POST /connectors "))["initial_state"] == "STOPPED"


def test_an_offset_is_found_by_its_partition() -> None:
    stored = [
        {"partition": {"server": "other"}, "offset": {"lsn": 1}},
        {"partition": {"server": "outbox"}, "offset": {"lsn": 2}},
    ]
    client, _ = connect((200, {"offsets": stored}))
    assert client.offset("x", {"server": "outbox"}) == {"lsn": 2}
    assert client.offset("x", {"server": "nobody"}) is None


def test_an_offset_is_written_as_connect_takes_it() -> None:
    client, asked = connect((200, {"message": "done"}))
    client.set_offset("x", {"server": "outbox"}, {"lsn": 2})
    (request,) = asked
    assert json.loads(request.removeprefix("PATCH /connectors/x/offsets ")) == {
        "offsets": [{"partition": {"server": "outbox"}, "offset": {"lsn": 2}}]
    }


def test_the_class_objections_are_listed_by_key() -> None:
    configs = [
        {"value": {"name": "slot.name", "errors": ["is required"]}},
        {"value": {"name": "poll", "errors": []}},
    ]
    client, _ = connect((200, {"error_count": 1, "configs": configs}))
    assert client.invalid_values("a.B", {}) == ("slot.name: is required",)


@pytest.mark.parametrize(
    ("verb", "request_line"),
    [
        (ConnectClient.stop, "PUT /connectors/x/stop"),
        (ConnectClient.pause, "PUT /connectors/x/pause"),
        (ConnectClient.resume, "PUT /connectors/x/resume"),
        (ConnectClient.delete, "DELETE /connectors/x"),
    ],
)
def test_each_verb_asks_for_its_change(
    verb: Callable[[ConnectClient, str], None], request_line: str
) -> None:
    client, asked = connect((204, ""))
    verb(client, "x")
    assert asked[0].startswith(request_line)


def test_a_verb_for_a_missing_connector_says_to_apply() -> None:
    client, _ = connect(refusal(404, "Unknown connector x"))
    with pytest.raises(ConnectRefusedError, match="outbox connectors apply"):
        client.pause("x")


def test_a_refusal_shows_connects_own_words_even_if_they_are_no_json() -> None:
    client, _ = connect((400, "<html>bad</html>"))
    with pytest.raises(ConnectRefusedError, match="400: <html>bad</html>"):
        client.pause("x")


def test_an_address_where_nobody_listens_is_unreachable() -> None:
    with ConnectClient("http://127.0.0.1:9") as client, pytest.raises(ConnectUnreachableError):
        client.config("x")


def several(
    *down: str, answers: Callable[[httpx.Request], httpx.Response] | None = None
) -> tuple[ConnectClient, list[str]]:
    """Return a client of the workers a and b, of which some are down, and whom it asked what."""
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.url.host} {request.method}")
        if request.url.host in down:
            raise httpx.ConnectError("refused", request=request)
        return answers(request) if answers else httpx.Response(200, json={"a": "1"})

    return ConnectClient("http://a, http://b", 5.0, httpx.MockTransport(handle)), asked


def test_the_first_of_several_workers_is_asked_and_no_other() -> None:
    client, asked = several()
    assert client.config("x") == {"a": "1"}
    assert asked == ["a GET"]


def test_where_a_worker_cannot_be_reached_the_next_is_asked_and_from_then_on_first() -> None:
    client, asked = several("a")
    assert client.config("x") == {"a": "1"}
    client.stop("x")
    assert asked == ["a GET", "b GET", "b PUT"]


def test_all_workers_must_be_away_before_connect_is_called_unreachable() -> None:
    client, asked = several("a", "b")
    with pytest.raises(ConnectUnreachableError, match=r"at http://a, http://b: refused"):
        client.config("x")
    assert asked == ["a GET", "b GET"]


def test_a_connector_whose_creation_broke_off_is_not_created_by_another_worker() -> None:
    def breaks_off(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("no answer", request=request)

    client, asked = several(answers=breaks_off)
    with pytest.raises(ConnectUnreachableError):
        client.create_stopped("x", {})
    assert asked == ["a POST"]


def test_a_worker_that_is_still_starting_does_not_hold_up_what_another_can_answer() -> None:
    def starting(request: httpx.Request) -> httpx.Response:
        return httpx.Response(503 if request.url.host == "a" else 200, json={"a": "1"})

    client, asked = several(answers=starting)
    assert client.config("x") == {"a": "1"}
    assert asked == ["a GET", "b GET"]


def test_a_leader_that_has_just_died_is_waited_for() -> None:
    client, asked = connect(
        refusal(500, "IO Error trying to forward REST request: java.net.ConnectException"),
        (200, {"a": "1"}),
    )
    client.put_config("x", {})
    assert len(asked) == 2


def test_a_name_and_a_password_are_sent_where_there_are_some() -> None:
    asked: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("authorization"))
        return httpx.Response(200, json={"version": "4.3.1"})

    for security in (OPEN, ConnectSecurity(username="ana", password="secret")):
        transport = httpx.MockTransport(answer)
        with ConnectClient("http://connect", transport=transport, security=security) as client:
            assert client.version() == "4.3.1"
    encoded = base64.b64encode(b"ana:secret").decode()
    assert asked == [None, f"Basic {encoded}"]
