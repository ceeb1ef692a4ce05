import json
import socket
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from stream_processors.engine.health import Pages, serve_pages
from stream_processors.ledger.__main__ import LedgerWriter
from stream_processors.settings import LedgerWriterSettings

HOST = "127.0.0.1"


def _free_port() -> int:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port: int = reserved.getsockname()[1]
        return port


def _get(port: int, path: str = "/health") -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize(("ready", "status"), [(True, 200), (False, 503)])
def test_the_page_says_what_is_and_its_status_whether_that_is_ready(
    ready: bool, status: int
) -> None:
    port = _free_port()
    serve_pages(
        (HOST, port), Pages("one", lambda: {"ready": ready, "assignment": ["events.session[0]"]})
    )

    answered, body = _get(port)

    assert answered == status
    assert json.loads(body) == {"ready": ready, "assignment": ["events.session[0]"]}


def test_the_page_is_asked_anew_each_time() -> None:
    port = _free_port()
    answers = iter([False, True])
    serve_pages((HOST, port), Pages("one", lambda: {"ready": next(answers)}))

    assert [_get(port)[0], _get(port)[0]] == [503, 200]


def test_there_is_no_other_page() -> None:
    port = _free_port()
    serve_pages((HOST, port), Pages("one", lambda: {"ready": True}))

    assert _get(port, "/")[0] == 404


def test_health_that_cannot_be_told_is_no_health() -> None:
    port = _free_port()

    def fail() -> Mapping[str, object]:
        raise ZeroDivisionError

    serve_pages((HOST, port), Pages("one", fail))

    assert _get(port)[0] == 503
    assert b"ZeroDivisionError" in _get(port)[1]


def test_a_caller_who_does_not_wait_for_the_answer_is_no_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    port = _free_port()
    asked, gone = threading.Event(), threading.Event()

    def answer_late() -> Mapping[str, object]:
        asked.set()
        gone.wait(5)
        return {"ready": True, "much": "x" * 1_000_000}

    serve_pages((HOST, port), Pages("one", answer_late))
    caller = socket.create_connection(("127.0.0.1", port))
    caller.sendall(b"GET /health HTTP/1.0\r\n\r\n")
    assert asked.wait(5)
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    caller.close()
    gone.set()

    assert _get(port)[0] == 200
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(5)
    assert capsys.readouterr().err == ""


def test_it_listens_on_loopback_only() -> None:
    port = _free_port()
    serve_pages((HOST, port), Pages("one", lambda: {"ready": True}))

    with socket.socket() as elsewhere:
        elsewhere.bind(("127.0.0.2", port))


def test_a_port_that_is_taken_is_an_error() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(OSError, match="in use"):
            serve_pages((HOST, other.getsockname()[1]), Pages("one", lambda: {"ready": True}))


def test_a_ledger_writer_is_not_ready_while_a_part_of_it_is_dead(tmp_path: Path) -> None:
    nowhere = "127.0.0.1:9"
    writer = LedgerWriter(
        LedgerWriterSettings(
            kafka_bootstrap_servers=nowhere,
            state_directory=tmp_path,
            health_port=9,
            ledger_writer_database_url=f"postgresql://nobody@{nowhere}/nothing",
        )
    )

    page = writer.health()

    assert page["ready"] is False
    assert page["dead"] == [
        *("outbox-ledger-payables", "outbox-ledger-dead-letters", "outbox-ledger-receipts"),
        *("retries", "partitions"),
    ]
